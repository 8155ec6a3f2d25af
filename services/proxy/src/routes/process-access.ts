/** Finds the process that a call of the process API names, where the caller may see it, and awaits its changes. */
import type { KeyObject } from "node:crypto";
import { partitionOf } from "@sticky-proxy/core/idempotency";
import type { ProcessRecord, ProcessRef, Snapshot } from "@sticky-proxy/core/process";
import type { GrantScope, TokenKeys } from "@sticky-proxy/core/principal";
import type { Service } from "@sticky-proxy/core/registry";
import { waitFor, type Processes, type WaitDeps } from "@sticky-proxy/engine";
import { parseProcessId, Problem } from "@sticky-proxy/protocol";
import type { Context } from "koa";
import { expiredProblem } from "../submit/process-reply.ts";
import type { Waiters } from "../submit/waiters.ts";
import type { Callers } from "./callers.ts";
import { createOwnership, type Ownership } from "./ownership.ts";
import { holderOf, type RouteContext } from "./route-context.ts";
import { isPast, maxWaitMs } from "./status-reply.ts";

export interface ProcessAccessDeps {
  readonly processes: Processes;
  readonly waiting: WaitDeps;
  readonly waiters: Waiters;
  readonly secret: KeyObject;
  readonly tokens: Pick<TokenKeys, "accept">;
  readonly findService: (name: string) => Service | null;
  readonly callers: Callers;
  /** Aborts when the client is gone or the node drains. */
  readonly endOf: (ctx: Context) => AbortSignal;
}

export interface ProcessAccess {
  readonly ownership: Ownership;
  /** With its result; the process may have expired. @throws Problem process-not-found */
  findWithResult(ctx: RouteContext): Promise<Snapshot & { readonly record: ProcessRecord }>;
  /** @throws Problem process-not-found, process-expired */
  find(ctx: RouteContext): Promise<ProcessRecord>;
  /** @throws Problem forbidden for a stranger, process-not-found, process-expired */
  findOwn(ctx: RouteContext, scope: GrantScope): Promise<ProcessRecord>;
  /**
   * Waits until `isEnough`, for `waitMs` (at most `maxWaitMs`), or until the client is gone or the node drains.
   * null: as many clients wait on this node as may, or as many of this holder, so the call is answered at once.
   * @throws Problem process-not-found: the record vanished meanwhile
   */
  awaitChange(
    ctx: Context,
    record: ProcessRecord,
    isEnough: (snapshot: Snapshot) => boolean,
    options: { readonly waitMs: number; readonly withResult: boolean },
  ): Promise<(Snapshot & { readonly record: ProcessRecord }) | null>;
}

export function createProcessAccess(deps: ProcessAccessDeps): ProcessAccess {
  const { processes } = deps;
  const ownership = createOwnership(deps);

  async function read(ctx: RouteContext, withResult: boolean) {
    const snapshot = await processes.read(refOf(ctx, processes.store.partitions), { withResult });
    const { record } = snapshot;
    if (record === null) throw new Problem("process-not-found");
    ownership.mayRead(ctx, record);
    return { ...snapshot, record };
  }

  async function find(ctx: RouteContext): Promise<ProcessRecord> {
    const { record } = await read(ctx, false);
    if (isPast(record, processes.now())) throw expiredProblem(record, false);
    return record;
  }

  return {
    ownership,
    findWithResult(ctx) {
      deps.callers.demand(ctx, "read");
      return read(ctx, true);
    },
    find(ctx) {
      deps.callers.demand(ctx, "read");
      return find(ctx);
    },
    async findOwn(ctx, scope) {
      deps.callers.demand(ctx, scope);
      const record = await find(ctx);
      ownership.mayChange(ctx, record);
      return record;
    },
    async awaitChange(ctx, record, isEnough, { waitMs, withResult }) {
      const leave = deps.waiters.enter(record.service, holderOf(ctx));
      if (leave === null) return null;
      try {
        const snapshot = await waitFor(deps.waiting, record, isEnough, {
          timeoutMs: Math.min(waitMs, maxWaitMs),
          signal: deps.endOf(ctx),
          withResult,
        });
        return { ...snapshot, record: snapshot.record ?? vanished(record) };
      } finally {
        leave();
      }
    },
  };
}

function refOf(ctx: RouteContext, partitions: number): ProcessRef {
  const id = parseProcessId(ctx.params["id"] ?? "");
  if (id === null || partitionOf(id.scope, partitions) !== id.partition) {
    throw new Problem("process-not-found");
  }
  return id;
}

/** `executed` is unknown: the process existed when the wait began, so it may have run. */
function vanished({ service }: ProcessRecord): never {
  throw new Problem("process-not-found", {
    service,
    detail: "The store has no record of the process any more.",
    executed: "unknown",
  });
}
