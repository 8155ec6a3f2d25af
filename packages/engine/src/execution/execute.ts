/**
 * Runs a process that this node owns: dispatch, prepare, send, commit; again while the owner itself waits between
 * attempts. The client gets the committed record, never the service's response directly (P2, P9).
 *
 *   dispatch  a record that is not being forwarded waits for its time and becomes the next attempt (P1)
 *   prepare   the attempt confirmed, mirror intent, quorum lock and a lease that is young enough; without them the attempt
 *             is given back
 *   send      one attempt, unless another node ends the process first
 *   commit    the attempt's event; the first event counts
 */
import { isTerminal, type Changes, type ProcessRecord, type StoredRequest } from "@sticky-proxy/core/process";
import type { Clock } from "@sticky-proxy/protocol";
import type { Forwarder } from "@sticky-proxy/upstream";
import type { DispatchIntent } from "../mirror/intents.ts";
import type { Processes } from "../process/processes.ts";
import type { Watchdog } from "../process/watchdog.ts";
import { createAttempts, type Attempt } from "./attempt.ts";
import { commitAnswer, executionLost } from "./commit-answer.ts";
import type { Execution, Run } from "./execution.ts";
import { callerOf, type Pacing } from "./pacing.ts";
import { watchEnd, type EndWatch } from "./watch-end.ts";

/** Asked before every dispatch of a mirrored process; rejects when the intent is required and cannot be written. */
export interface DispatchIntents {
  beforeDispatch(record: ProcessRecord, request: StoredRequest): Promise<DispatchIntent>;
}

/** The opt-in quorum guard: a second, independent check of who may run a scope. */
export interface QuorumGuard {
  /**
   * Holds the scope's lock on most of the lock nodes for one attempt; `onLost` when it may no longer be held.
   * Rejects when somebody else holds it (the store has forgotten a claim) or no quorum answers.
   */
  hold(record: ProcessRecord, onLost: () => void): Promise<Lock>;
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

/** Result of a step: the current record and another round, or the end of the run. */
type Step =
  | { readonly next: "round"; readonly record: ProcessRecord; readonly avoid?: Execution["avoid"] }
  | { readonly next: "end"; readonly run: Run };

type Prepared =
  | { readonly kind: "ready"; readonly intent: DispatchIntent | null; readonly lock: Lock | null }
  | { readonly kind: "given-back"; readonly record: ProcessRecord };

interface Lock {
  release(): Promise<void>;
  /** Renews it no longer: it ends by itself. */
  leave(): void;
}

/** Resources of one round; `close` releases them. */
interface Round {
  readonly tracked: ReturnType<Watchdog["track"]>;
  readonly abort: AbortController;
  readonly elsewhere: EndWatch;
}

const ended = (record: ProcessRecord): Step => ({ next: "end", run: { record, result: null, live: null } });

export function createExecutor(deps: ExecutorDeps): Executor {
  const running = new Set<Promise<unknown>>();
  const send = createAttempts(deps);
  return {
    get inFlight() {
      return running.size;
    },
    run(execution) {
      const promise = run(deps, send, execution);
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

type Send = ReturnType<typeof createAttempts>;

async function run(deps: ExecutorDeps, send: Send, execution: Execution): Promise<Run> {
  const { processes, watchdog, changes, onFailure } = deps;
  let { record, avoid } = execution;
  while (record.owner === deps.node && !isTerminal(record.status)) {
    const abort = new AbortController();
    const tracked = watchdog.track(record, processes.writtenAt(record), () => abort.abort());
    const current = (of: ProcessRecord) => currentRecord(processes, of);
    const elsewhere = watchEnd({ changes, current, onFailure }, record, abort);
    const round: Round = { tracked, abort, elsewhere };
    try {
      const step =
        record.phase === "forwarding"
          ? await forwardOnce(
              deps,
              send,
              avoid === undefined ? execution : { ...execution, avoid },
              record,
              round,
            )
          : await dispatch(deps, record, round);
      if (step.next === "end") return step.run;
      ({ record, avoid = avoid } = step);
    } finally {
      tracked.release();
      elsewhere.close();
    }
  }
  return { record, result: null, live: null };
}

/** Waits until the attempt is due, and makes it the current one; a service's pause postpones it. */
async function dispatch(deps: ExecutorDeps, record: ProcessRecord, round: Round): Promise<Step> {
  const { processes, pacing, node, sleep } = deps;
  const { signal } = round.abort;
  const waitMs = (record.nextAttemptAt ?? 0) - processes.now();
  if (waitMs > 0) await sleep(waitMs, signal);
  if (signal.aborted) return ended(await currentRecord(processes, record));
  const caller = callerOf(record);
  const isPaused = pacing.isPaused(record.service, caller);
  if (isPaused) round.tracked.release(); // this commit may end ownership too
  const moved = await processes.apply(
    record,
    isPaused
      ? { type: "postponed", ms: pacing.pausedMs(record.service, caller), owner: node }
      : { type: "dispatched", owner: node },
  );
  if (moved.kind === "gone") throw executionLost(record, false);
  // The process has ended, or another run sends it.
  return moved.kind === "applied" ? { next: "round", record: moved.record } : ended(moved.record);
}

/** The current attempt: prepared, sent, committed. */
async function forwardOnce(
  deps: ExecutorDeps,
  send: Send,
  execution: Execution,
  record: ProcessRecord,
  round: Round,
): Promise<Step> {
  const prepared = await prepare(deps, execution, record, round);
  if (prepared.kind === "given-back") return { next: "round", record: prepared.record };
  const { intent, lock } = prepared;
  try {
    const marked = { ...execution, extra: [...execution.extra, ...(intent?.marks ?? [])] };
    const { signal } = round.abort;
    const won = await Promise.race([
      send(marked, record, signal),
      round.elsewhere.ended.then((now) => ({ endedAs: now })),
    ]);
    const step = "endedAs" in won ? ended(won.endedAs) : await commit(deps, record, won, intent, round);
    // Only what everybody will know ends the lock; else its own end does.
    if ("endedAs" in won && lock !== null) await deps.processes.confirm(won.endedAs);
    await lock?.release();
    return step;
  } catch (error) {
    lock?.leave();
    throw error;
  } finally {
    await intent?.close();
  }
}

/** Preconditions of a send. */
async function prepare(
  deps: ExecutorDeps,
  execution: Execution,
  record: ProcessRecord,
  { tracked, abort }: Round,
): Promise<Prepared> {
  const { processes, intents, guard, onFailure } = deps;
  const giveBack = (reason: string) => givenBack(deps, record, tracked, reason);
  let intent: DispatchIntent | null = null;
  let lock: Lock | null = null;
  try {
    await processes.confirm(record); // whoever comes after a fail-over has to know of this attempt
  } catch (error) {
    onFailure("confirm", error);
    return giveBack("not-confirmed");
  }
  try {
    if (record.mirror !== null && intents !== null)
      intent = await intents.beforeDispatch(record, execution.request);
  } catch (error) {
    onFailure("intent", error);
    return giveBack("intent-refused");
  }
  try {
    if (guard !== null) lock = await guard.hold(record, () => abort.abort());
  } catch (error) {
    onFailure("quorum", error);
    await intent?.close();
    return giveBack("quorum-refused");
  }
  if (tracked.mayDispatch()) return { kind: "ready", intent, lock };
  try {
    return await giveBack("lease-too-old");
  } finally {
    await lock?.release();
    await intent?.close();
  }
}

/** P8: nothing was sent, so the identity is free at once instead of at the end of the lease. */
async function givenBack(
  { processes }: ExecutorDeps,
  record: ProcessRecord,
  tracked: Round["tracked"],
  reason: string,
): Promise<Extract<Prepared, { kind: "given-back" }>> {
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
  if (given.kind === "gone") throw executionLost(record, false);
  return { kind: "given-back", record: given.record };
}

async function commit(
  deps: ExecutorDeps,
  sent: ProcessRecord,
  answer: Attempt,
  intent: DispatchIntent | null,
  { tracked, elsewhere }: Round,
): Promise<Step> {
  if (answer.pause !== null) deps.pacing.pause(sent.service, answer.pause.caller, answer.pause.ms);
  tracked.release(); // before the commit that may end ownership, so that its renewal is never counted as lost
  elsewhere.close(); // the commit learns by itself who was faster; its own notice need not be read
  const { record, isOurs } = await commitAnswer(deps, sent, answer, intent);
  if (!isOurs) answer.live?.body.destroy();
  if (!isTerminal(record.status) && record.attempt < sent.attempt) {
    // The store has forgotten that it was sent: it is not sent again in silence.
    const told = await deps.processes.apply(record, { type: "lease-ended" });
    if (told.kind === "gone") throw executionLost(sent, answer.sawAnswer);
    return ended(told.record);
  }
  if (record.owner === deps.node)
    return { next: "round", record, ...(answer.avoid === undefined ? {} : { avoid: answer.avoid }) };
  const { result, live } = isOurs ? answer : { result: null, live: null };
  return { next: "end", run: { record, result, live } };
}

async function currentRecord(processes: Processes, record: ProcessRecord): Promise<ProcessRecord> {
  const snapshot = await processes.read(record, { withResult: false });
  if (snapshot.record === null) throw executionLost(record, false);
  return snapshot.record;
}
