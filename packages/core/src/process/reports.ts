/** P10: what a service reports of an attempt by itself: a result, a failure, a sign of life. */
import { backOff, delayInTime } from "./back-off.ts";
import { finish, isKept, mergeExecuted } from "./ending.ts";
import { change, refuse, same, type Circumstances, type ProcessEvent, type Transition } from "./events.ts";
import { isTerminal, type ProcessRecord } from "./record.ts";
import { ttlOf, untilDeadline } from "./retention.ts";

export function calledBack(
  record: ProcessRecord,
  event: Extract<ProcessEvent, { type: "called-back" }>,
  c: Circumstances,
): Transition {
  if (isRepeat(record, event)) return same;
  if (event.attempt !== record.attempt) return refuse("execution-stale"); // P10
  const judged = event.isFailure === true ? Math.max(event.status, 500) : event.status;
  return finish(record, c, {
    event: "called-back",
    status: judged >= 500 ? "failed" : "completed",
    executed: "yes",
    httpStatus: event.status,
    result: event.result,
    ...tooLarge(event),
    message: event.message,
    released: !isKept(judged, c.policy),
    ttlMs: ttlOf(c.policy, judged),
  });
}

export function reportedFailure(
  record: ProcessRecord,
  event: Extract<ProcessEvent, { type: "reported-failure" }>,
  c: Circumstances,
): Transition {
  if (isRepeat(record, event)) return same;
  if (event.attempt !== record.attempt) return refuse("execution-stale"); // P10
  if (event.retryable && (event.executed === "no" || c.honoursKey)) {
    const delay = delayInTime(record, null, c);
    if (delay !== null) {
      // A report comes from the service, so no owner waits for the next attempt: this commit ends the lease.
      const executed = mergeExecuted(record, event.executed);
      return backOff(record, delay, executed, null, event.reason, null, false, event);
    }
  }
  const status = event.result?.response.status ?? 502;
  const executed = mergeExecuted(record, event.executed);
  return finish(record, c, {
    event: "reported-failure",
    status: "failed",
    executed,
    httpStatus: status,
    result: event.result,
    ...tooLarge(event),
    message: event.message,
    reason: event.reason,
    released: executed === "no" || !isKept(status, c.policy),
    deadLetter: event.retryable || c.retries.attempts > 1 ? "callback" : null,
  });
}

/** A result over the limit is not kept: the process ends as executed, with the problem `result-too-large`. */
function tooLarge({ result }: Pick<Extract<ProcessEvent, { type: "called-back" }>, "result">) {
  return result === null ? { problem: "result-too-large" as const } : {};
}

export function heartbeat(
  record: ProcessRecord,
  event: Extract<ProcessEvent, { type: "heartbeat" }>,
  c: Circumstances,
): Transition {
  if (event.attempt !== record.attempt) return refuse("execution-stale"); // P10
  const silence = Math.max(c.policy.heartbeatTimeoutMs ?? 0, event.extendMs ?? 0);
  const moves = record.phase === "awaiting-callback" && record.pollUrl === null && silence > 0;
  return change(
    { event: "heartbeat" },
    {
      ...(event.percent === null ? {} : { progressPercent: event.percent }),
      ...(event.message === null ? {} : { progressMessage: event.message }),
    },
    { heartbeatAt: 0, ...(moves ? { wakeAt: Math.min(silence, untilDeadline(record, c)) } : {}) },
  );
}

/** A report that has counted before: the same message id, or the same content about the same attempt. */
export function isRepeat(
  record: ProcessRecord,
  event: Extract<ProcessEvent, { type: "called-back" | "reported-failure" }>,
): boolean {
  if (event.message !== null && event.message === record.lastMessage) return true;
  if (isTerminal(record.status)) return event.result !== null && event.result.id === record.resultPayload;
  return event.attempt === record.attempt && event.result?.id === record.lastReport;
}
