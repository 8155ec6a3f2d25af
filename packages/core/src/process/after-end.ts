/** P3: what may still happen to a finished process: delivery, mirroring, discarding, expiry. */
import { change, refuse, same, type Circumstances, type ProcessEvent, type Transition } from "./events.ts";
import type { ProcessRecord } from "./record.ts";
import { isRepeat } from "./reports.ts";
import { keepMarginMs, keepSpan, keptFor, requestAfter, untilExpiry } from "./retention.ts";

export function afterTheEnd(record: ProcessRecord, event: ProcessEvent, c: Circumstances): Transition {
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
    case "withdrawn":
    case "lease-ended":
    case "overdue":
      return refuse("process-terminal"); // P2, P3: an owner that comes back late
  }
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
