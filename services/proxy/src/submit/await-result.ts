/** Awaits the result of a process for the client that submitted or joined it, for as long as client and route allow. */
import { isTerminal, StoreUnavailable, type ProcessRecord } from "@sticky-proxy/core/process";
import type { StoredResponse } from "@sticky-proxy/core/http";
import { readableFor, waitFor, type Run } from "@sticky-proxy/engine";
import { Problem } from "@sticky-proxy/protocol";
import type { Reply } from "../reply.ts";
import {
  acceptedReply,
  endProblem,
  problemFields,
  resultReply,
  storedResult,
  vanishedProblem,
  waitEndedProblem,
} from "./process-reply.ts";
import { holderOf, type Submission, type SubmitDeps } from "./submission.ts";

/** Waits at most as `awaitEnd` does; not at all where as many clients wait on this node as may, or as many of this holder. */
export async function awaitResult(
  deps: SubmitDeps,
  submission: Submission,
  record: ProcessRecord,
  run: Promise<Run> | null,
): Promise<Reply | null> {
  const { service, options } = submission;
  if (options.isPlain || options.waitMs <= 0) return awaitEnd(deps, submission, record, run);
  const leave = deps.waiters.enter(service.name, holderOf(submission));
  if (leave === null) {
    const immediate = { ...submission, options: { ...options, waitMs: 0, applied: null } };
    return awaitEnd(deps, immediate, record, run);
  }
  try {
    return await awaitEnd(deps, submission, record, run);
  } finally {
    leave();
  }
}

/** The service's own answer as stored. @throws Problem that a process without one ended with */
export function storedReply(
  submission: Submission,
  record: ProcessRecord,
  result: StoredResponse | null,
  replayed: boolean,
): Reply {
  const stored = storedResult(record, result);
  if (stored === null) throw endProblem(record, replayed);
  const readable = readableFor(submission.head.headers, stored);
  return resultReply(record, readable, { replayed, applied: submission.options.applied });
}

/**
 * Waits until the process has ended, the wait is over, the client is gone or the node drains.
 * @param run the execution that this request started; null: another request's
 * @returns null for a request that joined a process whose node gave it back unsent: nothing has run, so the request
 *   begins again instead of being told of a failure
 */
async function awaitEnd(
  deps: SubmitDeps,
  submission: Submission,
  record: ProcessRecord,
  run: Promise<Run> | null,
): Promise<Reply | null> {
  const { clock } = deps.waiting;
  const { options, gone, service } = submission;
  const startedAt = clock.monotonic();
  const observe = (outcome: Parameters<SubmitDeps["onWait"]>[1]): void =>
    deps.onWait(service.name, outcome, clock.monotonic() - startedAt);
  const draining = options.onWaitEnd === "accepted" ? deps.draining : deps.closing;
  const stop = AbortSignal.any([gone, draining]);

  const ended = run === null ? null : await ownRun(deps, run, options.waitMs, stop);
  const own = ended === null ? null : replyOfRun(submission, ended);
  if (own !== null) {
    if (own.isStored) observe("answered");
    return own.reply;
  }

  const latest = ended?.record ?? record;
  // The run is over without a result: a client of plain proxying waits as long again as for the service's first byte.
  const leftMs = options.isPlain
    ? service.timeouts.firstByteMs
    : options.waitMs - (clock.monotonic() - startedAt);
  if ((leftMs <= 0 || stop.aborted) && !isTerminal(latest.status)) {
    return endOfWait(submission, latest, draining, run === null, observe);
  }
  const isOver = ({ record: now }: { readonly record: ProcessRecord | null }): boolean =>
    now === null || isTerminal(now.status);
  const snapshot = await waitFor(deps.waiting, record, isOver, {
    timeoutMs: leftMs,
    signal: stop,
    withResult: true,
  });
  if (snapshot.record === null) throw vanishedProblem(latest);
  if (run === null && isNeverSent(snapshot.record)) return null;
  if (!isTerminal(snapshot.record.status)) {
    return endOfWait(submission, snapshot.record, draining, run === null, observe);
  }
  observe("answered");
  // A callback's result is first-hand for the client that started the process.
  return storedReply(submission, snapshot.record, snapshot.result, run === null);
}

/** The run if it ends within the wait; null: it did not, or the store gave no answer to it. */
async function ownRun(
  deps: SubmitDeps,
  run: Promise<Run>,
  waitMs: number,
  stop: AbortSignal,
): Promise<Run | null> {
  try {
    return await runWithin(deps, run, waitMs, stop);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    // Nothing was committed: the record's alarm decides, and the client waits for the decision.
    deps.onFailure("execution", error);
    return null;
  }
}

/** What the client gets of a run that has ended; null: the run has neither a live response nor a result. */
function replyOfRun(
  { options, gone }: Submission,
  { record, live, result }: Run,
): { readonly reply: Reply; readonly isStored: boolean } | null {
  const how = { replayed: false, applied: options.applied };
  if (live !== null) {
    if (!gone.aborted) return { reply: resultReply(record, live, how), isStored: false };
    live.body.destroy();
  }
  if (!isTerminal(record.status) || result === null) return null;
  return { reply: resultReply(record, result, how), isStored: true };
}

/**
 * The process runs on without this client.
 * @throws Problem upstream-timeout, draining: where the route answers the end of a wait with an error
 */
function endOfWait(
  { options, gone, service }: Submission,
  latest: ProcessRecord,
  draining: AbortSignal,
  replayed: boolean,
  observe: (outcome: "client_gone" | "draining" | "timeout") => void,
): Reply {
  if (gone.aborted) observe("client_gone");
  else if (draining.aborted) observe("draining");
  else if (options.waitMs > 0) observe("timeout");
  if (options.onWaitEnd === "accepted") return acceptedReply(latest, options.applied, replayed);
  if (!draining.aborted) throw waitEndedProblem(latest);
  throw new Problem("draining", {
    service: service.name,
    executed: "unknown",
    headers: { ...problemFields(latest, false), "Retry-After": "1" },
  });
}

/** Given back unsent by the node that claimed it, because the store did not answer in time: only then "store-unavailable". */
function isNeverSent({ status, executed, released, problem }: ProcessRecord): boolean {
  return status === "failed" && executed === "no" && released && problem === "store-unavailable";
}

/** The run if it ends within the wait, else null. A run that is no longer awaited still has its end looked after. */
async function runWithin(
  deps: SubmitDeps,
  run: Promise<Run>,
  ms: number,
  stop: AbortSignal,
): Promise<Run | null> {
  let abandoned = false;
  const watched = run.then((ended) => {
    if (abandoned) ended.live?.body.destroy();
    return ended;
  });
  watched.catch((error: unknown) => {
    if (abandoned) deps.onFailure("execution", error);
  });
  if (ms <= 0) {
    abandoned = true;
    return null;
  }
  const over = new AbortController();
  try {
    const ended = await Promise.race([
      watched,
      deps.waiting.sleep(ms, AbortSignal.any([stop, over.signal])).then(() => null),
    ]);
    if (ended === null) abandoned = true;
    return ended;
  } finally {
    over.abort("over"); // a reason of our own: the default one is an exception with a stack
  }
}
