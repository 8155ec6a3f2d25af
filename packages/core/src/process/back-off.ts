/** Waiting for the next attempt after a failed one. */
import type { Executed, ProblemSlug } from "@sticky-proxy/protocol";
import { change, type Circumstances, type ProcessEvent, type Transition } from "./events.ts";
import type { ProcessRecord } from "./record.ts";
import { untilDeadline } from "./retention.ts";
import { retryDelay } from "./retry.ts";

/** How long the next attempt waits; null: there is none, or it would be after the deadline. */
export function delayInTime(
  record: ProcessRecord,
  retryAfterMs: number | null,
  c: Circumstances,
): number | null {
  const delay = retryDelay(c.retries, record.attempt, retryAfterMs, c.random);
  return delay !== null && delay < untilDeadline(record, c) ? delay : null;
}

/**
 * Waits for the next attempt. The owner keeps a short wait for itself; a wait of over half a lease goes to the alarm.
 * `pending` stays pending: it was never sent.
 */
export function backOff(
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
      ...(report === null ? {} : { lastReport: report.result?.id ?? null, lastMessage: report.message }),
    },
    { nextAttemptAt: delayMs, wakeAt: keeps ? record.leaseMs : delayMs },
  );
}
