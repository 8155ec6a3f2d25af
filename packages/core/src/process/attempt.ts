/** An attempt: its dispatch, and what comes of it: an answer, an acknowledgement, a failure, or silence. */
import type { Executed } from "@sticky-proxy/protocol";
import type { OnUnknown } from "../registry/service.ts";
import { backOff, delayInTime } from "./back-off.ts";
import { finish, isKept, mergeExecuted } from "./ending.ts";
import { change, refuse, same, type Circumstances, type ProcessEvent, type Transition } from "./events.ts";
import { isOut, type DeadLetterClass, type ProcessRecord } from "./record.ts";
import { maxWaitMs, ttlOf, untilDeadline } from "./retention.ts";

/** Whoever moves a waiting attempt knows that it has not been sent. */
const unsent = (c: Circumstances): Circumstances => ({ ...c, mayForget: false });

export function dispatched(record: ProcessRecord, owner: string, c: Circumstances): Transition {
  if (record.status === "in-progress" && record.phase !== "backing-off") return refuse("process-running"); // P1
  if (record.deadlineAt !== null && record.deadlineAt <= c.now) return overdue(record, unsent(c));
  return change(
    { event: "dispatched", attempt: String(record.attempt + 1), owner },
    {
      status: "in-progress",
      phase: "forwarding",
      owner,
      node: owner,
      ...(record.instance === null ? {} : { instance: null }),
      attempt: record.attempt + 1,
      ...(record.lastReport === null ? {} : { lastReport: null }),
    },
    {
      ...(record.startedAt === null ? { startedAt: 0 } : {}),
      ...(record.deadlineAt === null && c.policy.deadlineMs !== null
        ? { deadlineAt: c.policy.deadlineMs }
        : {}),
      wakeAt: record.leaseMs,
      nextAttemptAt: null,
    },
    { mintFence: true }, // P5
  );
}

/** Waits longer for the same attempt; by the alarm where that is long and the request is kept. */
export function postponed(
  record: ProcessRecord,
  { ms, owner }: Extract<ProcessEvent, { type: "postponed" }>,
  c: Circumstances,
): Transition {
  if (isOut(record)) return refuse("process-running"); // P1
  if (record.deadlineAt !== null && record.deadlineAt <= c.now) return overdue(record, unsent(c));
  const delayMs = Math.min(ms, untilDeadline(record, c));
  const isShort = delayMs <= record.leaseMs / 2 || record.requestPayload === null;
  const keeps = owner !== null && isShort;
  return change(
    { event: "postponed", delayMs: String(delayMs) },
    { owner: keeps ? owner : null }, // P4
    { nextAttemptAt: delayMs, wakeAt: keeps ? record.leaseMs : delayMs },
  );
}

/** Said by a balancer in front of the service as well as by itself, after it got the whole request: it may have run. */
const unknownStatuses: ReadonlySet<number> = new Set([408, 502, 504]);

/** A refusal is shown to those who asked with its client, and on its own page, for so long. */
const maxRefusalMs = 60_000;

type Responded = Extract<ProcessEvent, { type: "responded" }>;

export function responded(record: ProcessRecord, event: Responded, c: Circumstances): Transition {
  const { status } = event;
  const notExecuted =
    c.policy.notExecutedStatuses.includes(status) && (status !== 503 || event.retryAfterMs !== null);
  const isRefusal = notExecuted || c.policy.refusedStatuses.includes(status);
  if (!isRefusal && unknownStatuses.has(status)) return answeredUnknown(record, event, c);
  const judged = event.isFailure === true ? Math.max(status, 500) : status;
  const isFailure = judged >= 500;
  const mayRepeat = event.isClients !== true && (notExecuted || (isFailure && !isRefusal && c.honoursKey));
  if (mayRepeat) {
    const delay = delayInTime(record, event.retryAfterMs, c);
    if (delay !== null) {
      const executed = notExecuted ? mergeExecuted(record, "no") : "yes";
      return backOff(record, delay, executed, "upstream-invalid-response", String(status), status);
    }
  }
  const isExhausted = mayRepeat && c.retries.attempts > 1;
  if (isRefusal) return refused(record, event, isExhausted, c);
  return finish(record, c, {
    event: "responded",
    status: isFailure ? "failed" : "completed",
    executed: "yes",
    httpStatus: status,
    result: event.result,
    ...(event.result === null ? { problem: "result-too-large" as const } : {}),
    released: !isKept(judged, c.policy), // P8
    deadLetter: isExhausted ? "upstream" : null,
    ttlMs: ttlOf(c.policy, judged),
  });
}

/**
 * P8: the service did not begin the work in this attempt. Where none did, the refusal goes to who waits for it and the
 * identity is free. An earlier attempt that may have run keeps the identity: the refusal says nothing about it, and what
 * is kept is that attempt's trouble.
 */
function refused(
  record: ProcessRecord,
  { status, result }: Responded,
  isExhausted: boolean,
  c: Circumstances,
): Transition {
  const executed = mergeExecuted(record, "no");
  const released = executed === "no" || c.policy.onUnknown.lost === "release";
  if (!released) {
    return finish(record, c, {
      event: "refused",
      status: "failed",
      executed,
      problem: record.problem ?? "upstream-invalid-response",
      reason: String(status),
      released,
      deadLetter: "upstream",
    });
  }
  return finish(record, c, {
    event: "refused",
    status: "failed",
    executed,
    httpStatus: status,
    result,
    ...(result === null ? { problem: "result-too-large" as const } : {}),
    released,
    deadLetter: isExhausted ? "upstream" : null,
    ttlMs: Math.min(maxRefusalMs, ttlOf(c.policy, status)),
  });
}

/** The service, or a balancer before it, gave up after it got the whole request: the route's policy decides. */
function answeredUnknown(record: ProcessRecord, event: Responded, c: Circumstances): Transition {
  const { status, result } = event;
  return attemptFailed(
    record,
    {
      type: "failed",
      attempt: event.attempt,
      executed: "unknown",
      unknown: "answered",
      slug: status === 502 ? "upstream-invalid-response" : "upstream-timeout",
      reason: String(status),
      retryAfterMs: event.retryAfterMs,
      answer: { status, result },
    },
    c,
    "upstream",
  );
}

export function accepted(
  record: ProcessRecord,
  event: Extract<ProcessEvent, { type: "accepted" }>,
  c: Circumstances,
): Transition {
  const deadlineSpan = untilDeadline(record, c);
  const silence = event.pollInMs ?? c.policy.heartbeatTimeoutMs ?? deadlineSpan;
  return change(
    { event: "accepted", status: String(event.status) },
    {
      phase: "awaiting-callback",
      owner: null, // P4
      httpStatus: event.status,
      jobId: event.jobId,
      pollUrl: event.pollUrl,
    },
    {
      ...(record.deadlineAt === null ? { deadlineAt: maxWaitMs } : {}),
      wakeAt: Math.min(silence, deadlineSpan),
    },
  );
}

export function attemptFailed(
  record: ProcessRecord,
  event: Extract<ProcessEvent, { type: "failed" }>,
  c: Circumstances,
  dead: DeadLetterClass,
): Transition {
  const { slug, reason } = event;
  const executed = mergeExecuted(record, event.executed);
  // What a probe did not find is never sent again and never probed again: there the policy is `fail`.
  const probed = record.phase === "awaiting-callback" && record.pollUrl === (c.policy.probe?.path ?? "");
  const onUnknown: OnUnknown = probed ? "fail" : c.policy.onUnknown[event.unknown];
  const isServerError = event.answer !== undefined && event.answer.status >= 500;
  const mayRepeat = event.executed === "no" || onUnknown === "retry" || (isServerError && c.honoursKey);
  if (mayRepeat) {
    const delay = delayInTime(record, event.retryAfterMs, c);
    if (delay !== null) {
      return backOff(
        record,
        delay,
        executed,
        slug,
        reason,
        event.answer?.status ?? null,
        event.unknown !== "lost" && dead === "upstream",
      );
    }
  }
  if (event.executed === "unknown" && onUnknown === "probe" && c.policy.probe !== null) {
    return change(
      { event: "probing", reason },
      {
        status: "in-progress",
        phase: "awaiting-callback",
        owner: null, // P4
        executed,
        problem: slug,
        reason,
        pollUrl: c.policy.probe.path,
      },
      {
        ...(record.deadlineAt === null ? { deadlineAt: maxWaitMs } : {}),
        wakeAt: Math.min(c.policy.probe.intervalMs, untilDeadline(record, c)),
      },
    );
  }
  const released = executed === "no" || onUnknown === "release"; // P8
  // Where the service's own answer is kept it is what clients get; the problem would only hide it.
  const answer = event.answer?.result == null ? null : event.answer;
  return finish(record, c, {
    event: "failed",
    status: "failed",
    executed,
    ...(answer === null ? { problem: slug } : { httpStatus: answer.status, result: answer.result }),
    reason,
    released,
    deadLetter: dead === "callback" || !released || (mayRepeat && c.retries.attempts > 1) ? dead : null,
  });
}

/** P8: nothing of this attempt was sent, and nobody shall send it: it ends here, whatever attempts are left. */
export function withdrawn(
  record: ProcessRecord,
  event: Extract<ProcessEvent, { type: "withdrawn" }>,
  c: Circumstances,
): Transition {
  if (record.phase === "awaiting-callback" || record.attempt !== event.attempt)
    return refuse("execution-stale");
  const executed = mergeExecuted(record, "no");
  return finish(record, c, {
    event: "withdrawn",
    status: "failed",
    executed,
    problem: "store-unavailable",
    released: executed === "no" || c.policy.onUnknown.lost === "release",
  });
}

/**
 * The owner is gone. What it had not sent is free again; what it may have sent is unknown, be it that the store has
 * forgotten so in a fail-over.
 */
export function leaseEnded(record: ProcessRecord, c: Circumstances): Transition {
  const wasSent = record.phase === "forwarding";
  const isForgotten = c.mayForget === true && record.owner !== null;
  if (!wasSent && !isForgotten && (record.status === "pending" || record.phase === "backing-off")) {
    const executed = record.executed ?? "no";
    return finish(record, c, {
      event: "orphaned",
      status: "failed",
      executed,
      problem: "execution-lost",
      released: executed === "no" || c.policy.onUnknown.lost === "release",
    });
  }
  if (record.phase === "awaiting-callback") return same;
  return attemptFailed(
    record,
    {
      type: "failed",
      attempt: record.attempt,
      executed: "unknown",
      unknown: "lost",
      slug: "execution-lost",
      reason: wasSent ? "owner-gone" : "may-be-forgotten",
      retryAfterMs: null,
    },
    c,
    "internal",
  );
}

/** The deadline has passed, or a service that promised to report stayed silent too long. */
export function overdue(
  record: ProcessRecord,
  c: Circumstances,
  why: string = "callback-overdue",
): Transition {
  const deadlinePassed = record.deadlineAt !== null && record.deadlineAt <= c.now;
  const sent = isOut(record);
  const isForgotten = c.mayForget === true && record.owner !== null;
  const executed: Executed = sent || isForgotten ? "unknown" : (record.executed ?? "no");
  if (sent && !deadlinePassed) {
    return attemptFailed(
      record,
      {
        type: "failed",
        attempt: record.attempt,
        executed: "unknown",
        unknown: "timeout",
        slug: "upstream-timeout",
        reason: why,
        retryAfterMs: null,
      },
      c,
      "callback",
    );
  }
  return finish(record, c, {
    event: "overdue",
    status: "failed",
    executed,
    problem: "deadline-exceeded",
    reason: "deadline",
    released: executed === "no" || c.policy.onUnknown.timeout === "release",
    deadLetter: sent ? "callback" : c.retries.attempts > 1 ? "upstream" : null,
  });
}
