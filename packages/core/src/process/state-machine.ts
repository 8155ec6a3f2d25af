/**
 * The state machine: the one place that says how a process moves. Pure; stores know no states.
 *
 *     create ─► pending ──dispatched──► in-progress ─────────────────► completed
 *                  │                     forwarding ⇄ backing-off      failed
 *                  │                         │            ▲            cancelled
 *                  │                         ▼            │                │
 *                  │                     awaiting-callback┘                ▼ expired
 *                  └────────── cancel, deadline, orphan ──────────►    tombstone ─► purged
 *
 * P1  At most one execution is current: only dispatching mints a fence, and only from pending or backing-off.
 * P2  A node that lost its lease cannot decide: every change is committed against epoch and version.
 * P3  A terminal status never changes; after it only delivery, mirroring, expiry and purge happen.
 * P4  A change that ends ownership clears `owner`; only pending, forwarding and backing-off have one.
 * P5  attempt and fence rise with every dispatch and never fall.
 * P6  A process that is not gone has an alarm: `wakeAt` is never removed.
 * P7  A terminal process has endedAt, expireAt, keepUntil (unless a mirror is pending) and says `executed`.
 * P8  What never reached the service releases its identity.
 * P9  A result is committed once: resultPayload is set only by the change that ends the process.
 * P10 Only the current attempt may report; a report that counted already is a duplicate, another one after the end stale.
 */
import type { Executed, ProblemSlug } from "@sticky-proxy/protocol";
import type { StoredResponse } from "../http/message.ts";
import type { OnUnknown, ProcessPolicy, RetryPolicy } from "../registry/service.ts";
import { isTerminal, type DeadLetterClass, type ProcessRecord } from "./record.ts";
import { retryDelay } from "./retry.ts";
import type { Change, Spans, TimelineEntry } from "./store.ts";

export type UnknownKind = "cut" | "timeout" | "lost";

export interface Result {
  /** Derived from the content, so that the same result reported twice has the same id. */
  readonly id: string;
  readonly response: StoredResponse;
}

export type ProcessEvent =
  /** The request is about to be sent by `owner`. */
  | { readonly type: "dispatched"; readonly owner: string }
  /** The service's complete answer is the result; `result` null: larger than the route keeps. */
  | {
      readonly type: "responded";
      readonly attempt: number;
      readonly status: number;
      readonly result: Result | null;
      readonly retryAfterMs: number | null;
      /** Its own client has to repeat it, nobody else. */
      readonly isClients?: true;
    }
  /** The service took the work and will report back, or has to be polled at `pollUrl`. */
  | {
      readonly type: "accepted";
      readonly attempt: number;
      readonly status: number;
      readonly jobId: string | null;
      readonly pollUrl: string | null;
      readonly pollInMs: number | null;
    }
  | {
      readonly type: "failed";
      readonly attempt: number;
      readonly executed: "no" | "unknown";
      readonly unknown: UnknownKind;
      readonly slug: ProblemSlug;
      readonly reason: string;
      readonly retryAfterMs: number | null;
    }
  | {
      readonly type: "called-back";
      readonly attempt: number;
      readonly status: number;
      readonly result: Result;
      readonly message: string | null;
    }
  | {
      readonly type: "reported-failure";
      readonly attempt: number;
      readonly retryable: boolean;
      readonly executed: Executed;
      readonly reason: string;
      readonly result: Result;
      /** Names the message that brought it, so that its repeat is known whatever it says; null: it has no name. */
      readonly message: string | null;
    }
  | {
      readonly type: "heartbeat";
      readonly attempt: number;
      readonly percent: number | null;
      readonly message: string | null;
      readonly extendMs: number | null;
    }
  | { readonly type: "still-running"; readonly pollInMs: number }
  /** The service asked for a pause that is not over: nothing is sent before. `owner` waits itself; null: the alarm. */
  | { readonly type: "postponed"; readonly ms: number; readonly owner: string | null }
  | { readonly type: "cancelled" }
  | { readonly type: "lease-ended" }
  | { readonly type: "overdue" }
  | { readonly type: "expired" }
  | { readonly type: "notified"; readonly delivered: boolean; readonly retryInMs: number | null }
  /** Tell the client's endpoint once more, from the start of its schedule. */
  | { readonly type: "notify-again" }
  | { readonly type: "mirrored" }
  | { readonly type: "discarded" };

/** What the decision needs beside record and event. */
export interface Circumstances {
  /** The store's clock, epoch ms. */
  readonly now: number;
  readonly policy: ProcessPolicy;
  readonly retries: RetryPolicy;
  /** The service honours the key or the fence, so an unknown outcome may be sent again. */
  readonly honoursKey: boolean;
  /** In [0, 1), for jitter. */
  readonly chance: number;
  /** How long dead letters stay to be redriven, whatever the result's TTL. */
  readonly deadLetterMs: number;
}

export type Transition =
  | { readonly kind: "change"; readonly change: Change }
  /** Nothing to do: it is so already. */
  | { readonly kind: "same" }
  | {
      readonly kind: "refuse";
      readonly slug: "process-terminal" | "process-running" | "execution-stale";
    };

/** A callback process without any deadline still ends. */
export const longestWaitMs = 24 * 3_600_000;
const keepMarginMs = 3_600_000;

const same: Transition = { kind: "same" };
function refuse(slug: Extract<Transition, { kind: "refuse" }>["slug"]): Transition {
  return { kind: "refuse", slug };
}

function change(
  entry: TimelineEntry,
  set: Change["set"],
  spans: Spans,
  more: Partial<Pick<Change, "mintFence" | "result" | "drop">> = {},
): Transition {
  return {
    kind: "change",
    change: { set, spans, mintFence: false, result: null, drop: [], entry, ...more },
  };
}

export function transition(record: ProcessRecord, event: ProcessEvent, c: Circumstances): Transition {
  if (isTerminal(record.status)) return afterTheEnd(record, event, c);
  switch (event.type) {
    case "dispatched":
      return dispatched(record, event.owner, c);
    case "responded":
      return isCurrent(record, event) ? responded(record, event, c) : refuse("execution-stale");
    case "accepted":
      return isCurrent(record, event) ? accepted(record, event, c) : refuse("execution-stale");
    case "failed":
      return isCurrent(record, event)
        ? attemptFailed(record, event, c, "upstream")
        : refuse("execution-stale");
    case "called-back":
      if (isRepeat(record, event)) return same;
      if (event.attempt !== record.attempt) return refuse("execution-stale"); // P10
      return finish(record, c, {
        event: "called-back",
        status: event.status >= 500 ? "failed" : "completed",
        executed: "yes",
        httpStatus: event.status,
        result: event.result,
        message: event.message,
        released: !isKept(event.status, c.policy),
      });
    case "reported-failure":
      return reportedFailure(record, event, c);
    case "heartbeat":
      return heartbeat(record, event, c);
    case "still-running":
      if (record.phase !== "awaiting-callback") return same;
      return change({ event: "polled" }, {}, { wakeAt: Math.min(event.pollInMs, untilDeadline(record, c)) });
    case "postponed":
      return postponed(record, event, c);
    case "cancelled":
      return finish(record, c, {
        event: "cancelled",
        status: "cancelled",
        executed: isOut(record) ? "unknown" : (record.executed ?? "no"),
        problem: "process-cancelled",
        released: c.policy.identity !== "key" || c.policy.restartCancelled,
        cancelRequested: true,
      });
    case "lease-ended":
      return leaseEnded(record, c);
    case "overdue":
      return overdue(record, c);
    case "mirrored":
    case "notified":
    case "notify-again":
    case "expired":
    case "discarded":
      return refuse("process-running");
  }
}

/** An attempt is with the service. Before the first, and between two, it is known what has run. */
function isOut({ phase }: ProcessRecord): boolean {
  return phase === "forwarding" || phase === "awaiting-callback";
}

/** P2, P10: an owner speaks for the attempt that it sent, and only while that attempt is out. */
function isCurrent(record: ProcessRecord, event: { readonly attempt: number }): boolean {
  return record.phase === "forwarding" && event.attempt === record.attempt;
}

/** A report that has counted before: the same message, or the same words about the same attempt. */
function isRepeat(
  record: ProcessRecord,
  event: Extract<ProcessEvent, { type: "called-back" | "reported-failure" }>,
): boolean {
  if (event.message !== null && event.message === record.lastMessage) return true;
  if (isTerminal(record.status)) return event.result.id === record.resultPayload;
  return event.attempt === record.attempt && event.result.id === record.lastReport;
}

/** P3: what may still happen to a finished process. */
function afterTheEnd(record: ProcessRecord, event: ProcessEvent, c: Circumstances): Transition {
  switch (event.type) {
    case "called-back":
    case "reported-failure":
      return isRepeat(record, event) ? same : refuse("execution-stale"); // P10
    case "heartbeat":
      return record.status === "cancelled" ? same : refuse("execution-stale");
    case "cancelled":
      return record.status === "cancelled" ? same : refuse("process-terminal");
    case "notified":
      return notified(record, event, c);
    case "mirrored":
      return mirrored(record, c);
    case "expired":
      return expired(record, c);
    case "discarded":
      return record.deadLetter === null ? same : discarded(record, c);
    case "notify-again":
      return notifyAgain(record);
    case "dispatched":
    case "responded":
    case "accepted":
    case "failed":
    case "still-running":
    case "postponed":
    case "lease-ended":
    case "overdue":
      return refuse("process-terminal"); // P2, P3: an owner that comes back late
  }
}

function dispatched(record: ProcessRecord, owner: string, c: Circumstances): Transition {
  if (record.status === "in-progress" && record.phase !== "backing-off") return refuse("process-running"); // P1
  if (record.deadlineAt !== null && record.deadlineAt <= c.now) return overdue(record, c);
  return change(
    { event: "dispatched", attempt: String(record.attempt + 1), owner },
    {
      status: "in-progress",
      phase: "forwarding",
      owner,
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

function responded(
  record: ProcessRecord,
  event: Extract<ProcessEvent, { type: "responded" }>,
  c: Circumstances,
): Transition {
  const { status } = event;
  const notExecuted =
    c.policy.notExecutedStatuses.includes(status) && (status !== 503 || event.retryAfterMs !== null);
  const mayRepeat = event.isClients !== true && (notExecuted || (status >= 500 && c.honoursKey));
  if (mayRepeat) {
    const delay = delayInTime(record, event.retryAfterMs, c);
    if (delay !== null) {
      return backOff(
        record,
        delay,
        notExecuted ? soFar(record, "no") : "yes",
        "upstream-invalid-response",
        String(status),
        status,
      );
    }
  }
  const exhausted = mayRepeat && c.retries.attempts > 1;
  return finish(record, c, {
    event: "responded",
    status: status >= 500 || notExecuted ? "failed" : "completed",
    executed: notExecuted ? soFar(record, "no") : "yes",
    httpStatus: status,
    result: event.result,
    ...(event.result === null ? { problem: "result-too-large" as const } : {}),
    released: notExecuted || !isKept(status, c.policy), // P8
    deadLetter: exhausted ? "upstream" : null,
  });
}

/** API.md, verdicts: which of the service's own answers are replayed. */
function isKept(status: number, policy: ProcessPolicy): boolean {
  if (policy.identity === "key") return status < 500 || policy.keepServerErrors;
  return status < 500 && status !== 408 && status !== 425 && status !== 429;
}

function accepted(
  record: ProcessRecord,
  event: Extract<ProcessEvent, { type: "accepted" }>,
  c: Circumstances,
): Transition {
  const deadlineSpan = record.deadlineAt === null ? longestWaitMs : untilDeadline(record, c);
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
      ...(record.deadlineAt === null ? { deadlineAt: longestWaitMs } : {}),
      wakeAt: Math.min(silence, deadlineSpan),
    },
  );
}

function reportedFailure(
  record: ProcessRecord,
  event: Extract<ProcessEvent, { type: "reported-failure" }>,
  c: Circumstances,
): Transition {
  if (isRepeat(record, event)) return same;
  if (event.attempt !== record.attempt) return refuse("execution-stale"); // P10
  if (event.retryable && (event.executed === "no" || c.honoursKey)) {
    const delay = delayInTime(record, null, c);
    if (delay !== null) {
      // The reporter is not the owner: whoever held the lease has lost it by this version.
      const executed = soFar(record, event.executed);
      return backOff(record, delay, executed, null, event.reason, null, false, event);
    }
  }
  const { status } = event.result.response;
  const executed = soFar(record, event.executed);
  return finish(record, c, {
    event: "reported-failure",
    status: "failed",
    executed,
    httpStatus: status,
    result: event.result,
    message: event.message,
    reason: event.reason,
    released: executed === "no" || !isKept(status, c.policy),
    deadLetter: event.retryable || c.retries.attempts > 1 ? "callback" : null,
  });
}

function heartbeat(
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

/** The owner is gone. What it had not sent is free again; what it may have sent is unknown. */
function leaseEnded(record: ProcessRecord, c: Circumstances): Transition {
  if (record.status === "pending" || record.phase === "backing-off") {
    const executed = record.executed ?? "no";
    return finish(record, c, {
      event: "orphaned",
      status: "failed",
      executed,
      problem: "execution-lost",
      released: executed === "no" || c.policy.onUnknown.lost === "release",
    });
  }
  if (record.phase !== "forwarding") return same;
  return attemptFailed(
    record,
    {
      type: "failed",
      attempt: record.attempt,
      executed: "unknown",
      unknown: "lost",
      slug: "execution-lost",
      reason: "owner-gone",
      retryAfterMs: null,
    },
    c,
    "internal",
  );
}

/** The deadline has passed, or a service that promised to report stayed silent too long. */
function overdue(record: ProcessRecord, c: Circumstances): Transition {
  const deadlinePassed = record.deadlineAt !== null && record.deadlineAt <= c.now;
  const sent = isOut(record);
  const executed: Executed = sent ? "unknown" : (record.executed ?? "no");
  if (sent && !deadlinePassed) {
    return attemptFailed(
      record,
      {
        type: "failed",
        attempt: record.attempt,
        executed: "unknown",
        unknown: "timeout",
        slug: "upstream-timeout",
        reason: "callback-overdue",
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

function attemptFailed(
  record: ProcessRecord,
  event: Extract<ProcessEvent, { type: "failed" }>,
  c: Circumstances,
  dead: DeadLetterClass,
): Transition {
  const { slug, reason } = event;
  const executed = soFar(record, event.executed);
  // What a probe did not find is never sent again and never probed again: there the policy is `fail`.
  const probed = record.phase === "awaiting-callback" && record.pollUrl === (c.policy.probe?.path ?? "");
  const onUnknown: OnUnknown = probed ? "fail" : c.policy.onUnknown[event.unknown];
  const mayRepeat = event.executed === "no" || onUnknown === "retry";
  if (mayRepeat) {
    const delay = delayInTime(record, event.retryAfterMs, c);
    if (delay !== null) {
      return backOff(
        record,
        delay,
        executed,
        slug,
        reason,
        null,
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
        ...(record.deadlineAt === null ? { deadlineAt: longestWaitMs } : {}),
        wakeAt: Math.min(c.policy.probe.intervalMs, untilDeadline(record, c)),
      },
    );
  }
  const released = executed === "no" || onUnknown === "release"; // P8
  return finish(record, c, {
    event: "failed",
    status: "failed",
    executed,
    problem: slug,
    reason,
    released,
    deadLetter: dead === "callback" || !released || (mayRepeat && c.retries.attempts > 1) ? dead : null,
  });
}

/** How long the next attempt waits; null: there is none, or it would be after the deadline. */
function delayInTime(record: ProcessRecord, retryAfterMs: number | null, c: Circumstances): number | null {
  const delay = retryDelay(c.retries, record.attempt, retryAfterMs, c.chance);
  return delay !== null && delay < untilDeadline(record, c) ? delay : null;
}

/**
 * Waits for the next attempt. The owner keeps a short wait for itself; a wait of over half a lease goes to the alarm.
 * `pending` stays pending: it was never sent.
 */
function backOff(
  record: ProcessRecord,
  delayMs: number,
  executed: Executed,
  problem: ProblemSlug | null,
  reason: string,
  httpStatus: number | null,
  ownerWaits = true,
  report: Pick<Extract<ProcessEvent, { type: "reported-failure" }>, "result" | "message"> | null = null,
): Transition {
  const keeps = ownerWaits && record.owner !== null && delayMs <= record.leaseMs / 2;
  return change(
    { event: "backing-off", reason, delayMs: String(delayMs) },
    {
      phase: "backing-off",
      status: "in-progress",
      owner: keeps ? record.owner : null, // P4
      executed,
      problem,
      reason,
      httpStatus,
      pollUrl: null,
      jobId: null,
      ...(report === null ? {} : { lastReport: report.result.id, lastMessage: report.message }),
    },
    { nextAttemptAt: delayMs, wakeAt: keeps ? record.leaseMs : delayMs },
  );
}

/** Waits longer for the same attempt; by the alarm where that is long and the request is kept. */
function postponed(
  record: ProcessRecord,
  { ms, owner }: Extract<ProcessEvent, { type: "postponed" }>,
  c: Circumstances,
): Transition {
  if (isOut(record)) return refuse("process-running"); // P1
  if (record.deadlineAt !== null && record.deadlineAt <= c.now) return overdue(record, c);
  const delayMs = Math.min(ms, untilDeadline(record, c));
  const isShort = delayMs <= record.leaseMs / 2 || record.requestPayload === null;
  const keeps = owner !== null && isShort;
  return change(
    { event: "postponed", delayMs: String(delayMs) },
    { owner: keeps ? owner : null }, // P4
    { nextAttemptAt: delayMs, wakeAt: keeps ? record.leaseMs : delayMs },
  );
}

/** Did the work run, over all attempts? One that was not executed takes nothing back of what an earlier one may have done. */
function soFar(record: ProcessRecord, executed: Executed): Executed {
  return executed === "no" ? (record.executed ?? "no") : executed;
}

interface Ending {
  event: string;
  status: "completed" | "failed" | "cancelled";
  executed: Executed;
  httpStatus?: number;
  problem?: ProblemSlug;
  reason?: string;
  result?: Result | null;
  message?: string | null;
  released: boolean;
  deadLetter?: DeadLetterClass | null;
  cancelRequested?: boolean;
}

/** P3, P4, P7, P9: the one way a process ends. */
function finish(record: ProcessRecord, c: Circumstances, e: Ending): Transition {
  const deadLetter = e.deadLetter ?? null;
  const request = requestAfter(record, c, { deadLetter, mirror: record.mirror });
  const notify = record.notify !== null;
  return change(
    { event: e.event, status: e.status, executed: e.executed, ...(e.reason ? { reason: e.reason } : {}) },
    {
      status: e.status,
      phase: null,
      owner: null,
      executed: e.executed,
      httpStatus: e.httpStatus ?? null,
      problem: e.problem ?? null,
      reason: e.reason ?? null,
      released: e.released,
      deadLetter,
      resultPayload: e.result?.id ?? null,
      ...request.set,
      ...(e.cancelRequested ? { cancelRequested: true } : {}),
      ...(e.message === undefined ? {} : { lastMessage: e.message }),
      ...(notify ? { notifyState: "pending" as const } : {}),
    },
    {
      endedAt: 0,
      expireAt: c.policy.resultTtlMs,
      wakeAt: notify ? 0 : c.policy.resultTtlMs,
      nextAttemptAt: null,
      keepUntil: record.mirror === "pending" ? null : keepAfterEnd(c, deadLetter),
    },
    { result: e.result?.response ?? null, drop: request.drop },
  );
}

/** The request holds credentials: after the end it goes as soon as nobody can need it any more. */
function requestAfter(
  { requestPayload }: ProcessRecord,
  c: Circumstances,
  { deadLetter, mirror }: Pick<ProcessRecord, "deadLetter" | "mirror">,
): { set: Change["set"]; drop: Change["drop"] } {
  const isNeeded = deadLetter !== null || mirror === "pending" || c.policy.keepRequest;
  return isNeeded || requestPayload === null
    ? { set: {}, drop: [] }
    : { set: { requestPayload: null }, drop: ["request"] };
}

function mirrored(record: ProcessRecord, c: Circumstances): Transition {
  if (record.mirror !== "pending") return same;
  const { set, drop } = requestAfter(record, c, { ...record, mirror: "done" });
  return change(
    { event: "mirrored" },
    { mirror: "done", ...set },
    { keepUntil: keepSpan(record, c) },
    { drop },
  );
}

function discarded(record: ProcessRecord, c: Circumstances): Transition {
  const { set, drop } = requestAfter(record, c, { ...record, deadLetter: null });
  return change(
    { event: "discarded" },
    { deadLetter: null, ...set },
    { wakeAt: untilExpiry(record, c) },
    { drop },
  );
}

function keepAfterEnd(c: Circumstances, deadLetter: DeadLetterClass | null): number {
  const retained =
    deadLetter === null ? c.policy.resultTtlMs : Math.max(c.deadLetterMs, c.policy.resultTtlMs);
  return retained + c.policy.tombstoneMs + keepMarginMs;
}

function keepSpan(record: ProcessRecord, c: Circumstances, deadLetter = record.deadLetter): number {
  return untilExpiry(record, c) + keepAfterEnd(c, deadLetter) - c.policy.resultTtlMs;
}

function notified(
  record: ProcessRecord,
  event: Extract<ProcessEvent, { type: "notified" }>,
  c: Circumstances,
): Transition {
  if (record.notifyState !== "pending") return same;
  const again = !event.delivered && event.retryInMs !== null;
  const isDead = !event.delivered && !again && record.deadLetter === null;
  return change(
    { event: event.delivered ? "notified" : again ? "notify-retry" : "notify-failed" },
    {
      notifyAttempt: record.notifyAttempt + 1,
      notifyState: event.delivered ? "delivered" : again ? "pending" : "failed",
      ...(isDead ? { deadLetter: "callback" as const } : {}),
    },
    {
      wakeAt: again ? event.retryInMs : untilExpiry(record, c),
      ...(again ? keptFor(record, event.retryInMs, c) : {}),
      ...(isDead ? keptFor(record, keepSpan(record, c, "callback"), c) : {}),
    },
  );
}

/** A delivery's schedule, and a dead letter, may outlive what the result alone would be kept for. */
function keptFor(record: ProcessRecord, ms: number, c: Circumstances): Spans {
  if (record.keepUntil === null) return {}; // a pending mirror keeps it without end
  return { keepUntil: Math.max(record.keepUntil - c.now, ms + keepMarginMs) };
}

function notifyAgain(record: ProcessRecord): Transition {
  if (record.notifyState !== "failed") return same;
  return change(
    { event: "notify-again" },
    {
      notifyState: "pending",
      notifyAttempt: 0,
      // A failed process is a dead letter for what its service did, too.
      ...(record.deadLetter === "callback" && record.status !== "failed" ? { deadLetter: null } : {}),
    },
    { wakeAt: 0 },
  );
}

function untilExpiry(record: ProcessRecord, c: Circumstances): number {
  return Math.max(0, (record.expireAt ?? c.now) - c.now);
}

/** Result gone, id still known: 410 for `tombstoneMs`. A dead letter keeps its request until it is redriven or old. */
function expired(record: ProcessRecord, c: Circumstances): Transition {
  if (record.expired || record.expireAt === null || record.expireAt > c.now) return same;
  if (record.mirror === "pending") return change({ event: "kept" }, {}, { wakeAt: 60_000 });
  const age = c.now - (record.endedAt ?? c.now);
  if (record.deadLetter !== null && age < c.deadLetterMs) {
    return change({ event: "kept" }, { released: true }, { wakeAt: c.deadLetterMs - age });
  }
  return change(
    { event: "expired" },
    { expired: true, deadLetter: null, requestPayload: null, resultPayload: null },
    { wakeAt: c.policy.tombstoneMs, keepUntil: c.policy.tombstoneMs + keepMarginMs },
    { drop: ["request", "result"] },
  );
}

/**
 * ms until the deadline, at least 0; without one, the longest wait. Rounded up and one more: an alarm that rings a
 * fraction before the deadline would be taken for a service's silence.
 */
function untilDeadline(record: ProcessRecord, c: Circumstances): number {
  return record.deadlineAt === null ? longestWaitMs : Math.max(0, Math.ceil(record.deadlineAt - c.now) + 1);
}
