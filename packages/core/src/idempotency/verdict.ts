/** The verdict on a request whose scope has a record: start, join, replay, conflict or mismatch. Pure; API.md has the order. */
import { isTerminal, type ProcessRecord } from "../process/record.ts";
import type { OnDuplicate, ProcessPolicy } from "../registry/service.ts";

export interface Claim {
  readonly fingerprint: string;
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
  | { readonly verdict: "mismatch"; readonly record: ProcessRecord };

export function verdictOf(
  record: ProcessRecord | null,
  claim: Claim,
  policy: Pick<ProcessPolicy, "identity">,
  now: number,
): Verdict {
  if (record === null) return { verdict: "start", supersedes: null };
  const over = isTerminal(record.status);
  // Expired counts as gone even when no sweeper has been here.
  const gone =
    over && (record.expired || record.released || (record.expireAt !== null && record.expireAt <= now));
  if (gone) return { verdict: "start", supersedes: record };
  // Checked before the state: a key belongs to one payload and one credential (draft-ietf-httpapi-idempotency-key).
  if (
    policy.identity === "key" &&
    (record.fingerprint !== claim.fingerprint || record.credential !== claim.credential)
  ) {
    return { verdict: "mismatch", record };
  }
  if (claim.force) return { verdict: "start", supersedes: record };
  if (!over) {
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
