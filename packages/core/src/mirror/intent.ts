/**
 * What an intent in the outbox means in the light of its process record (R2, R3). The record is the truth:
 * an intent says only that a dispatch was about to be made.
 */
import type { ProcessRecord, ProcessRef } from "../process/record.ts";
import type { MirrorPolicy } from "../registry/service.ts";
import { conditionFailed } from "./conditions.ts";
import type { SkipReason } from "./coverage.ts";

/** One for each dispatch to the primary of a dual-write route, written before its answer counts. */
export interface Intent extends ProcessRef {
  /** Of the dispatch; the intent counts only while the record still carries it. */
  readonly fence: number;
  readonly service: string;
  readonly route: string;
  /** {@link orderKeys} */
  readonly orderKey: string;
  /** Keys whose earlier intents come first. */
  readonly after: readonly string[];
  readonly configVersion: string;
  /** Size of the request, for the bound on the lag. */
  readonly bodyBytes: number;
  /** The hour it is counted in ({@link coverageWindow}). */
  readonly window: number;
  /** Not to be sent, because it could not be written in time or the lag was too great; null: to be sent. */
  readonly gap: "gap" | "lag" | null;
  /** Epoch ms of the store's clock; the entry itself may be written a little later. */
  readonly dispatchedAt: number;
}

/** What becomes of an intent. */
export type IntentDecision =
  /** The primary ran it: the secondary gets it too. */
  | { readonly kind: "send"; readonly record: ProcessRecord }
  | { readonly kind: "skip"; readonly reason: SkipReason }
  /** The primary is still at it; the key waits with it. */
  | { readonly kind: "wait"; readonly record: ProcessRecord }
  /** It ended and it is unknown whether the primary ran it: recorded as such, and its key counts as diverged. */
  | { readonly kind: "primary-unknown"; readonly record: ProcessRecord };

export function decideIntent(
  intent: Intent,
  record: ProcessRecord | null,
  policy: Pick<MirrorPolicy, "mirror4xx">,
): IntentDecision {
  // Kept until it is mirrored: what is gone had been mirrored before (redelivery), or was lost with its store.
  if (record === null || record.expired) return { kind: "skip", reason: "record-gone" };
  if (record.mirror !== "pending") return { kind: "skip", reason: "already-mirrored" };
  if (record.fence > intent.fence) return { kind: "skip", reason: "redispatched" };
  // A record older than its own intent: the store has lost writes, so this record cannot speak for the dispatch.
  if (record.fence < intent.fence) return { kind: "primary-unknown", record };
  if (record.status === "pending" || record.status === "in-progress") return { kind: "wait", record };
  switch (record.status) {
    case "completed":
      return answered(intent, record, policy);
    case "failed":
    case "cancelled":
      if (record.executed === "no") return { kind: "skip", reason: "never-executed" };
      if (record.httpStatus !== null && record.httpStatus < 500) return answered(intent, record, policy);
      // A 5xx says that the service failed, not that nothing was written.
      return { kind: "primary-unknown", record };
  }
}

function answered(
  intent: Intent,
  record: ProcessRecord,
  policy: Pick<MirrorPolicy, "mirror4xx">,
): IntentDecision {
  const refused = record.httpStatus !== null && record.httpStatus >= 400;
  // Without its condition the copy would do what the primary did not.
  if (conditionFailed(record.httpStatus)) return { kind: "skip", reason: "not-applicable" };
  if (refused && !policy.mirror4xx) return { kind: "skip", reason: "not-applicable" };
  return intent.gap === null ? { kind: "send", record } : { kind: "skip", reason: intent.gap };
}

/** Whether two calls of one key may have been at the primary at once (R7). Times are the store's. */
export function overlaps(
  call: { readonly at: number; readonly endedAt: number | null },
  other: { readonly at: number; readonly endedAt: number | null },
): boolean {
  const end = (one: { readonly endedAt: number | null }): number => one.endedAt ?? Infinity;
  return call.at <= end(other) && other.at <= end(call);
}
