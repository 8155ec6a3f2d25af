/** When a send to the secondary is tried again, and when its key is given up (R8). */
import type { MirrorPolicy } from "../registry/service.ts";

/** What one send came to. */
export type SendFailure =
  /** No complete answer: refused, reset, timed out. */
  | { readonly kind: "no-answer"; readonly error: string; readonly timedOut: boolean }
  /** An answer that asks for another try. */
  | { readonly kind: "try-later"; readonly status: number; readonly retryAfterMs: number | null };

export type RetryDecision =
  | { readonly kind: "retry"; readonly inMs: number }
  /** Too old: a dead letter. */
  | { readonly kind: "dead" };

const minMs = 200;
const maxMs = 60_000;

/** 409 with Retry-After is the idempotency draft's "still running". */
export function asksForRetry(status: number, retryAfterMs: number | null): boolean {
  return (
    status >= 500 ||
    status === 408 ||
    status === 425 ||
    status === 429 ||
    (status === 409 && retryAfterMs !== null)
  );
}

/**
 * `attempt`: sends so far, 1 after the first. `ageMs`: since the intent, or since an operator's last unpark.
 * `random` in [0, 1) spreads keys that failed together: a secondary that comes back is not met by all at once.
 */
export function decideRetry(
  failure: SendFailure,
  attempt: number,
  ageMs: number,
  policy: Pick<MirrorPolicy, "maxAgeMs">,
  random: number,
): RetryDecision {
  const step = Math.min(maxMs, minMs * 2 ** Math.min(attempt - 1, 20));
  const jittered = Math.round(step / 2 + (random * step) / 2);
  const asked = failure.kind === "try-later" ? (failure.retryAfterMs ?? 0) : 0;
  const inMs = Math.max(jittered, Math.min(asked, policy.maxAgeMs));
  return ageMs + inMs > policy.maxAgeMs ? { kind: "dead" } : { kind: "retry", inMs };
}
