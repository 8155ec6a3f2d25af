/**
 * Retention: until when the result, the tombstone, a dead letter and the stored request are kept, and when the alarm
 * rings (P6). Every span is ms from now. A result is replayed for `resultTtlMs`, then its tombstone answers 410 for
 * `tombstoneMs`; `keepUntil` lies a margin behind, so that the store drops only what no sweeper came for.
 */
import type { DeadLetterClass, ProcessRecord } from "./record.ts";
import type { ProcessPolicy, StatusClass } from "../registry/service.ts";
import type { Circumstances } from "./events.ts";
import type { Change, Spans } from "./store.ts";

/** The deadline of a callback process that has none. */
export const maxWaitMs = 24 * 3_600_000;
/** Between the tombstone's end and the moment the store may drop every key. */
export const keepMarginMs = 3_600_000;

/**
 * ms until the deadline, at least 0; without one, the longest wait. Rounded up and one more: an alarm that rings a
 * fraction before the deadline would be taken for a service's silence.
 */
export function untilDeadline(record: ProcessRecord, c: Circumstances): number {
  return record.deadlineAt === null ? maxWaitMs : Math.max(0, Math.ceil(record.deadlineAt - c.now) + 1);
}

/** ms until the result expires, at least 0. */
export function untilExpiry(record: ProcessRecord, c: Circumstances): number {
  return Math.max(0, (record.expireAt ?? c.now) - c.now);
}

/** How long the route replays a result of this status; null: it has none. */
export function ttlOf(
  { resultTtlMs, resultTtlByClass }: Pick<ProcessPolicy, "resultTtlMs" | "resultTtlByClass">,
  status: number | null,
): number {
  if (status === null) return resultTtlMs;
  return resultTtlByClass[`${Math.floor(status / 100)}xx` as StatusClass] ?? resultTtlMs;
}

/** How long a process that ends now is kept: as long as its result, or its dead letter, and its tombstone after it. */
export function keepAfterEnd(c: Circumstances, ttlMs: number, deadLetter: DeadLetterClass | null): number {
  const retained = deadLetter === null ? ttlMs : Math.max(c.deadLetterMs, ttlMs);
  return retained + c.policy.tombstoneMs + keepMarginMs;
}

/** The same for a process that has ended before. */
export function keepSpan(record: ProcessRecord, c: Circumstances, deadLetter = record.deadLetter): number {
  const ttlMs = ttlOf(c.policy, record.httpStatus);
  return untilExpiry(record, c) + keepAfterEnd(c, ttlMs, deadLetter) - ttlMs;
}

/** A delivery's schedule, and a dead letter, may outlive what the result alone would be kept for. */
export function keptFor(record: ProcessRecord, ms: number, c: Circumstances): Spans {
  if (record.keepUntil === null) return {}; // a pending mirror keeps it without end
  return { keepUntil: Math.max(record.keepUntil - c.now, ms + keepMarginMs) };
}

/** The request contains credentials: after the end it is removed as soon as nothing needs it. */
export function requestAfter(
  { requestPayload }: ProcessRecord,
  c: Circumstances,
  { deadLetter, mirror }: Pick<ProcessRecord, "deadLetter" | "mirror">,
): { set: Change["set"]; drop: Change["drop"] } {
  const isNeeded = deadLetter !== null || mirror === "pending" || c.policy.keepRequest;
  return isNeeded || requestPayload === null
    ? { set: {}, drop: [] }
    : { set: { requestPayload: null }, drop: ["request"] };
}
