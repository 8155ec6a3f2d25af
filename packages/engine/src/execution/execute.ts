/**
 * Runs a process that this node owns: dispatch, wait for the answer, commit it; again while the owner itself waits
 * between attempts. The client gets the committed record, never the answer in hand.
 */
import {
  isTerminal,
  processId,
  StoreUnavailable,
  type Changes,
  type ProcessRecord,
  type StoredRequest,
} from "@sticky-proxy/core/process";
import type { DispatchIntent } from "../mirror/intents.ts";
import type { Processes } from "../process/processes.ts";
import type { Watchdog } from "../process/watchdog.ts";
import { Problem, type Clock } from "@sticky-proxy/protocol";
import { createAttempts, type Attempt } from "./attempt.ts";
import type { Execution, Run } from "./execution.ts";
import type { Forwarder } from "@sticky-proxy/upstream";
import type { Pacing } from "./pacing.ts";

/** Asked before every dispatch of a mirrored process; rejects when the intent is required and cannot be written. */
export interface DispatchIntents {
  beforeDispatch(record: ProcessRecord, request: StoredRequest): Promise<DispatchIntent>;
}

/** The opt-in quorum guard: a second, independent word on who may run a scope. */
export interface QuorumGuard {
  /**
   * Holds the scope's lock on most of the lock nodes for one attempt; `onLost` when it may no longer be held.
   * Rejects when somebody else holds it (the store has forgotten a claim) or no quorum answers.
   */
  hold(record: ProcessRecord, onLost: () => void): Promise<{ release(): Promise<void> }>;
}

export interface ExecutorDeps {
  readonly processes: Processes;
  readonly changes: Changes;
  readonly forwarder: Forwarder;
  readonly watchdog: Watchdog;
  readonly node: string;
  /** Base of callback URLs, without a slash at its end. */
  readonly publicUrl: () => string;
  /** The execution token of one attempt. */
  readonly tokenOf: (id: string, attempt: number) => string;
  readonly intents: DispatchIntents | null;
  /** null: the profile wants none. */
  readonly guard: QuorumGuard | null;
  readonly pacing: Pacing;
  readonly clock: Pick<Clock, "monotonic">;
  /** Resolves after ms or when the signal aborts; never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly onFailure: (what: string, error: unknown) => void;
}

export interface Executor {
  /** @throws Problem execution-lost when the service's answer could not be stored; StoreUnavailable before a dispatch. */
  run(execution: Execution): Promise<Run>;
  readonly inFlight: number;
  /** Resolves when nothing runs any more. */
  idle(): Promise<void>;
}

export function createExecutor(deps: ExecutorDeps): Executor {
  const {
    processes,
    changes,
    forwarder,
    watchdog,
    node,
    publicUrl,
    tokenOf,
    intents,
    guard,
    pacing,
    clock,
    sleep,
  } = deps;
  const attempt = createAttempts({ processes, forwarder, publicUrl, tokenOf });
  const running = new Set<Promise<unknown>>();

  async function run(execution: Execution): Promise<Run> {
    let { record } = execution;
    for (;;) {
      if (record.owner !== node || isTerminal(record.status)) return { record, result: null, live: null };
      const abort = new AbortController();
      const tracked = watchdog.track(record, processes.writtenAt(record), () => abort.abort());
      const elsewhere = watchEnd(record, abort);
      let held: { release(): Promise<void> } | null = null;
      let intent: DispatchIntent | null = null;
      try {
        if (record.phase !== "forwarding") {
          const waitMs = (record.nextAttemptAt ?? 0) - processes.now();
          if (waitMs > 0) await sleep(waitMs, abort.signal);
          if (abort.signal.aborted) return { record: await current(record), result: null, live: null };
          const isPaused = pacing.isPaused(record.service);
          if (isPaused) tracked.release(); // this commit may end ownership too
          const moved = await processes.apply(
            record,
            isPaused
              ? { type: "postponed", ms: pacing.pausedMs(record.service), owner: node }
              : { type: "dispatched", owner: node },
          );
          if (moved.kind === "gone") throw lost(record, false);
          // Not ours to send: it ended, or somebody else sends it, be it another run on this node.
          if (moved.kind !== "applied") return { record: moved.record, result: null, live: null };
          record = moved.record;
          continue;
        }
        if (record.mirror !== null && intents !== null) {
          try {
            intent = await intents.beforeDispatch(record, execution.request);
          } catch (error) {
            deps.onFailure("intent", error);
            record = await giveBack(record, tracked, "intent-refused");
            continue;
          }
        }
        if (guard !== null) {
          try {
            held = await guard.hold(record, () => abort.abort());
          } catch (error) {
            deps.onFailure("quorum", error);
            record = await giveBack(record, tracked, "quorum-refused");
            continue;
          }
        }
        if (!tracked.mayDispatch()) {
          record = await giveBack(record, tracked, "lease-too-old");
          continue;
        }
        const marked = { ...execution, extra: [...execution.extra, ...(intent?.marks ?? [])] };
        const won = await Promise.race([attempt(marked, record, abort.signal), elsewhere.ended]);
        if ("ended" in won) return { record: won.ended, result: null, live: null };
        if (won.pauseMs !== null) pacing.pause(record.service, won.pauseMs);
        tracked.release(); // before the commit that may end ownership, so that its renewal is never counted as lost
        elsewhere.close(); // the commit learns by itself who was faster; its own notice need not be read
        const applied = await commitAnswer(record, won, intent);
        record = applied.record;
        if (!applied.ours) won.live?.body.destroy();
        if (record.owner !== node) {
          return { record, result: applied.ours ? won.result : null, live: applied.ours ? won.live : null };
        }
      } finally {
        tracked.release();
        elsewhere.close();
        await held?.release();
        await intent?.close();
      }
    }
  }

  /** Nothing was sent: the identity is free at once instead of at the end of the lease. */
  async function giveBack(
    record: ProcessRecord,
    tracked: { release(): void },
    reason: string,
  ): Promise<ProcessRecord> {
    tracked.release();
    const given = await processes.apply(record, {
      type: "failed",
      attempt: record.attempt,
      executed: "no",
      unknown: "cut",
      slug: "store-unavailable",
      reason,
      retryAfterMs: null,
    });
    if (given.kind === "gone") throw lost(record, false);
    return given.record;
  }

  /** Cancel, force and callbacks may end the process on another node while we wait for the service. */
  function watchEnd(record: ProcessRecord, abort: AbortController) {
    let close = (): void => undefined;
    const ended = new Promise<{ ended: ProcessRecord }>((resolve) => {
      const watch = changes.watch(record, () => {
        current(record).then(
          (now) => {
            if (now.attempt === record.attempt && !isTerminal(now.status)) return;
            // A callback that outran its own 202 leaves the service's connection alone; anything else closes it.
            if (now.status !== "completed") abort.abort();
            resolve({ ended: now });
          },
          (error: unknown) => deps.onFailure("watching a process", error),
        );
      });
      close = () => watch.close();
    });
    return { ended, close };
  }

  async function current(record: ProcessRecord): Promise<ProcessRecord> {
    const snapshot = await processes.read(record, { withResult: false });
    if (snapshot.record === null) throw lost(record, false);
    return snapshot.record;
  }

  /** Offers the answer until the store takes it, as long as a lease lasts. */
  async function commitAnswer(
    record: ProcessRecord,
    answer: Attempt,
    intent: DispatchIntent | null,
  ): Promise<{ record: ProcessRecord; ours: boolean }> {
    const until = clock.monotonic() + record.leaseMs;
    const never = new AbortController().signal;
    let committed: { record: ProcessRecord; ours: boolean } | null = null;
    for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 1000)) {
      try {
        if (committed === null) {
          await intent?.ensure();
          const applied = await processes.apply(record, answer.event);
          if (applied.kind === "gone") throw lost(record, answer.sawAnswer);
          committed = { record: applied.record, ours: applied.kind === "applied" };
        }
        // An acknowledged result is never lost: the stronger profiles see it on a replica first.
        if (processes.confirm !== null && isTerminal(committed.record.status)) await processes.confirm();
        return committed;
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        if (clock.monotonic() + pauseMs > until) throw lost(record, answer.sawAnswer);
        await sleep(pauseMs, never);
      }
    }
  }

  return {
    get inFlight() {
      return running.size;
    },
    run(execution) {
      const promise = run(execution);
      const settled = promise.then(
        () => undefined,
        () => undefined,
      );
      running.add(settled);
      void settled.then(() => running.delete(settled));
      return promise;
    },
    async idle() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

/** Never "no" once bytes went out; "yes" when we saw the service's answer. */
function lost(record: ProcessRecord, sawAnswer: boolean): Problem {
  return new Problem("execution-lost", {
    processId: processId(record),
    service: record.service,
    executed: sawAnswer ? "yes" : "unknown",
  });
}
