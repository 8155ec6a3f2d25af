/** When a failed attempt is tried again. Pure: the random number comes in. */
import type { RetryPolicy } from "../registry/service.ts";

/**
 * Exponential backoff with full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015): between
 * minMs and min(maxMs, minMs * 2^(attempt-1)), never sooner than the service asked.
 * @param attempt the attempt that failed, from 1
 * @param retryAfterMs what the service asked for; null: nothing
 * @param random in [0, 1)
 * @returns ms to wait, or null when no attempt is left
 */
export function retryDelay(
  policy: RetryPolicy,
  attempt: number,
  retryAfterMs: number | null,
  random: number,
): number | null {
  if (attempt >= policy.attempts) return null;
  const ceiling = Math.min(policy.maxMs, policy.minMs * 2 ** Math.min(attempt - 1, 30));
  const jittered = policy.minMs + random * Math.max(0, ceiling - policy.minMs);
  return Math.round(Math.max(jittered, retryAfterMs ?? 0));
}
