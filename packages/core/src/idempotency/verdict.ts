/** The verdict on a request whose scope has a record: start, join, replay, conflict or mismatch. Pure; API.md has the order. */
import { isTerminal, type ProcessRecord } from "../process/record.ts";
import type { OnDuplicate, ProcessPolicy } from "../registry/service.ts";

export interface Claim {
  readonly fingerprint: string;
  /** The same request by the version of the fingerprint that is not written; absent: both say the same. */
  readonly otherFingerprint?: string;
  readonly credential: string;
  /** Sticky-Force, already checked against the route. */
  readonly force: boolean;
  /** Sticky-On-Duplicate or the route's default, already checked against the route. */
  readonly onDuplicate: OnDuplicate;
}

export type Verdict =
  /** Create the next process; `supersedes` is the record that has to move aside, null: there is none. */
  | { readonly verdict: "start"; readonly supersedes: ProcessRecord | null }
  | { readonly verdict: "join"; readonly record: ProcessRecord }
  | { readonly verdict: "replay"; readonly record: ProcessRecord }
  | {
      readonly verdict: "conflict";
      readonly slug: "request-in-progress" | "process-cancelled";
      readonly record: ProcessRecord;
    }
  /** The key stands for something else; `of`: for another payload, or for the same one of another principal. */
  | { readonly verdict: "mismatch"; readonly of: "payload" | "principal"; readonly record: ProcessRecord };

export function verdictOf(
  record: ProcessRecord | null,
  claim: Claim,
  policy: Pick<ProcessPolicy, "identity">,
  now: number,
): Verdict {
  if (record === null) return { verdict: "start", supersedes: null };
  if (!holdsScope(record, now)) return { verdict: "start", supersedes: record };
  // Checked before the state: a key belongs to one payload and one credential (draft-ietf-httpapi-idempotency-key).
  if (policy.identity === "key") {
    if (!isSamePayload(record, claim)) return { verdict: "mismatch", of: "payload", record };
    if (record.credential !== claim.credential) return { verdict: "mismatch", of: "principal", record };
  }
  if (claim.force) return { verdict: "start", supersedes: record };
  if (!isTerminal(record.status)) {
    switch (claim.onDuplicate) {
      case "join":
        return { verdict: "join", record };
      case "reject":
        return { verdict: "conflict", slug: "request-in-progress", record };
      case "replace":
        return { verdict: "start", supersedes: record };
    }
  }
  if (record.status === "cancelled") return { verdict: "conflict", slug: "process-cancelled", record };
  return { verdict: "replay", record };
}

/** Whether the next request of the scope meets this process; expired counts as gone even when no sweeper has been here. */
export function holdsScope(
  record: Pick<ProcessRecord, "status" | "expired" | "released" | "expireAt">,
  now: number,
): boolean {
  if (!isTerminal(record.status)) return true;
  return !record.expired && !record.released && (record.expireAt === null || record.expireAt > now);
}

function isSamePayload(record: ProcessRecord, claim: Claim): boolean {
  return record.fingerprint === claim.fingerprint || record.fingerprint === claim.otherFingerprint;
}
