/**
 * The duty that is due when an alarm rings. Pure: the sweeper claims the process, asks here, does the duty and applies its
 * outcome as an event. null: the alarm has moved, nothing is due.
 * `mayForget` as in Circumstances.
 */
import { isTerminal, type ProcessRecord } from "./record.ts";

export type Duty =
  /** Send the request (again): a long backoff or a pause has ended. */
  | "dispatch"
  /** The owner's lease ended; apply `lease-ended`. */
  | "take-over"
  /** Ask the service at `pollUrl`. */
  | "poll"
  /** A callback or the deadline did not hold; apply `overdue`. */
  | "fail"
  /** Tell the client's webhook endpoint. */
  | "deliver"
  /** Turn the result into a tombstone. */
  | "expire"
  /** Remove the tombstone. */
  | "purge";

export function dutyOf(record: ProcessRecord, now: number, mayForget = false): Duty | null {
  if (record.wakeAt !== null && record.wakeAt > now) return null;
  if (isTerminal(record.status)) {
    if (record.expired) return "purge";
    if (record.notifyState === "pending") return "deliver";
    return "expire";
  }
  if (record.deadlineAt !== null && record.deadlineAt <= now) return "fail";
  switch (record.phase) {
    case "forwarding":
      return "take-over";
    case "awaiting-callback":
      return record.pollUrl === null ? "fail" : "poll";
    case "backing-off":
    case null: // pending
      // A lease that ended here was a wait for the next dispatch: nothing has been sent since, so send it now. Where the
      // store may forget, its owner may have sent it.
      if (record.requestPayload !== null && !(mayForget && record.owner !== null)) return "dispatch";
      return "take-over";
  }
}
