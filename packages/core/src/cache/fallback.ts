/** Whether a stale stored response may replace a failed answer of the service (RFC 5861 4, RFC 9111 4.2.4). */
import { deltaSeconds, type Directives } from "./cache-control.ts";
import type { CachePolicy } from "../registry/service.ts";
import type { StoredMetadata } from "./stored-metadata.ts";

/** For which failures of the service the stored response is served. */
export interface Fallback {
  /** A response of 500, 502, 503 or 504. */
  readonly onErrorStatus: boolean;
  /** No response: refused, reset or timed out. */
  readonly onDisconnect: boolean;
  /** Stale reuse is prohibited: a failed validation is a 504 (RFC 9111 5.2.2.2). */
  readonly isForbidden: boolean;
}

export const noFallback: Fallback = { onErrorStatus: false, onDisconnect: false, isForbidden: false };
const dayMs = 86_400_000;

/**
 * RFC 5861 4. Without stale-if-error the conformance profile serves stale for a day when the service is unreachable
 * (RFC 9111 4.2.4) or answers 5xx (4.3.3); the safe profile does neither. An explicit stale-if-error limits both.
 */
export function fallbackOf(
  directives: Directives,
  stored: StoredMetadata,
  ttlMs: number,
  policy: CachePolicy,
): Fallback {
  if (stored.neverStale) return { ...noFallback, isForbidden: stored.noCache || ttlMs <= 0 };
  if (directives.has("no-cache")) return noFallback;
  const asked = deltaSeconds(directives, "stale-if-error");
  const isNamed = stored.staleIfErrorMs !== null || asked !== null;
  const unnamedMs = policy.profile === "conformance" ? dayMs : 0;
  const windowMs = isNamed ? Math.max(stored.staleIfErrorMs ?? 0, (asked ?? 0) * 1000) : unnamedMs;
  const mayStandIn = Math.max(0, -ttlMs) < windowMs;
  return { ...noFallback, onErrorStatus: mayStandIn, onDisconnect: mayStandIn };
}

/** Statuses of the service that stale-if-error masks (RFC 5861 4). */
export function isErrorStatus(status: number): boolean {
  return status === 500 || status === 502 || status === 503 || status === 504;
}
