/** The engine's verbs on a test's world, for tests of everything that moves processes. */
import type { BeginRequest, ProcessEvent, ProcessRecord } from "@sticky-proxy/core/process";
import type { TestWorld } from "@sticky-proxy/core/testing";
import { createProcesses, type Processes } from "./process/processes.ts";
import type { ProcessesDeps } from "./process/store-view.ts";

export interface TestProcesses {
  readonly processes: Processes;
  /** Begins a process that has to start. @throws Error when the scope has one already */
  begin(over?: Partial<BeginRequest>): Promise<ProcessRecord>;
  /** Applies an event that has to change the record. @throws Error when it does not */
  apply(record: ProcessRecord, event: ProcessEvent): Promise<ProcessRecord>;
}

/** @param over in place of the world's own parts: a store that fails, a listener */
export function createTestProcesses(world: TestWorld, over: Partial<ProcessesDeps> = {}): TestProcesses {
  const processes = createProcesses({
    store: world.store,
    node: "n1",
    rulesOf: () => world.rules,
    random: world.random,
    newId: world.newId,
    clock: world.clock,
    onTransition: () => undefined,
    confirm: null,
    ...over,
  });
  return {
    processes,
    async begin(request) {
      const begun = await processes.begin(world.request(request));
      if (begun.verdict !== "start") throw new Error(`not started: ${begun.verdict}`);
      return begun.record;
    },
    async apply(record, event) {
      const applied = await processes.apply(record, event);
      if (applied.kind !== "applied") throw new Error(`not applied: ${JSON.stringify(applied)}`);
      return applied.record;
    },
  };
}

export const lostAnswer: Extract<ProcessEvent, { type: "failed" }> = {
  type: "failed",
  attempt: 1,
  executed: "unknown",
  unknown: "cut",
  slug: "upstream-timeout",
  reason: "connection_terminated",
  retryAfterMs: null,
};
