/** What proxy and sweeper alike need to own processes: begin and apply, a watchdog, an executor. Wiring, no decisions. */
import { createSecretKey, randomBytes } from "node:crypto";
import { createProcesses, type Processes } from "./process/processes.ts";
import {
  type Changes,
  type Lease,
  type ProcessRecord,
  type PinStore,
  type ProcessStore,
} from "@sticky-proxy/core/process";
import { createPinnedRules, type PinnedRuleBook } from "./process/pinned-rules.ts";
import { createWatchdog, type Watchdog } from "./process/watchdog.ts";
import type { TokenKeys } from "@sticky-proxy/core/principal";
import type { Service } from "@sticky-proxy/core/registry";
import { executionToken, type Clock } from "@sticky-proxy/protocol";
import {
  createExecutor,
  type DispatchIntents,
  type QuorumGuard,
  type Executor,
} from "./execution/execute.ts";
import type { Confirm } from "./process/store-view.ts";
import type { Pacing } from "./execution/pacing.ts";
import type { Forwarder } from "@sticky-proxy/upstream";

export interface EngineDeps {
  readonly store: ProcessStore;
  readonly pins: PinStore;
  readonly changes: Changes;
  readonly forwarder: Forwarder;
  readonly node: string;
  readonly services: () => readonly Service[];
  readonly publicUrl: () => string;
  readonly secret: Buffer;
  /** Makes execution tokens. */
  readonly tokens: Pick<TokenKeys, "mint">;
  readonly intents: DispatchIntents | null;
  readonly guard: QuorumGuard | null;
  readonly pacing: Pacing;
  readonly confirm: Confirm | null;
  /** How long dead letters stay to be redriven. */
  readonly deadLetterMs?: number;
  readonly clock: Pick<Clock, "monotonic">;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly onTransition: (from: ProcessRecord | null, to: ProcessRecord, event: string) => void;
  readonly onRefused?: (record: ProcessRecord, event: string) => void;
  readonly onLeaseLost: (lease: Lease) => void;
  readonly onFailure: (what: string, error: unknown) => void;
}

export interface Engine {
  readonly processes: Processes;
  readonly watchdog: Watchdog;
  readonly executor: Executor;
  readonly rules: PinnedRuleBook;
  readonly newId: () => string;
}

export function createEngine(deps: EngineDeps): Engine {
  const { store, changes, forwarder, node, clock, sleep, onFailure } = deps;
  // Unique, not secret: drawing every id anew would cost more than the rest of the write.
  const prefix = randomBytes(9).toString("base64url");
  let ids = 0;
  const newId = (): string => `${prefix}${(ids += 1).toString(36)}`;
  // A Buffer is turned into a key at every use: 15 instead of 2 microseconds.
  const key = createSecretKey(deps.secret);
  const rules = createPinnedRules({ services: deps.services, store: deps.pins, secret: key, clock });
  const processes = createProcesses({
    store,
    node,
    rulesOf: (record) => rules.rulesOf(record),
    pins: rules,
    random: Math.random,
    newId,
    clock,
    onTransition: deps.onTransition,
    ...(deps.onRefused === undefined ? {} : { onRefused: deps.onRefused }),
    ...(deps.deadLetterMs === undefined ? {} : { deadLetterMs: deps.deadLetterMs }),
    confirm: deps.confirm,
  });
  const watchdog = createWatchdog({
    store,
    clock,
    onLost: deps.onLeaseLost,
    onFailure: (error) => onFailure("renew", error),
  });
  const executor = createExecutor({
    processes,
    changes,
    forwarder,
    watchdog,
    node,
    publicUrl: deps.publicUrl,
    tokenOf: (id, attempt) => executionToken(deps.tokens.mint, id, attempt),
    intents: deps.intents,
    guard: deps.guard,
    pacing: deps.pacing,
    clock,
    sleep,
    onFailure,
  });
  return { processes, watchdog, executor, rules, newId };
}
