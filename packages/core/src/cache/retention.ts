/** How long a stored response is kept: lifetime jitter, stale windows (RFC 5861) and the total retention. */
import { createHash } from "node:crypto";
import type { CachePolicy } from "../registry/service.ts";
import { deltaSeconds, type Directives } from "./cache-control.ts";
import type { Lifetime } from "./freshness.ts";

/** Upper bound of retention, whatever lifetime the response names. */
export const maxRetainMs = 30 * 86_400_000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Milliseconds past the lifetime in which stale reuse is allowed; null: not allowed. */
export interface StaleWindows {
  readonly staleWhileRevalidateMs: number | null;
  readonly staleIfErrorMs: number | null;
}

/** The directives of RFC 5861, or else the policy. */
export function staleWindows(directives: Directives, policy: CachePolicy): StaleWindows {
  const span = (name: string): number | null => {
    const seconds = deltaSeconds(directives, name);
    return seconds === null ? null : seconds * 1000;
  };
  return {
    staleWhileRevalidateMs: span("stale-while-revalidate") ?? policy.staleWhileRevalidateMs,
    staleIfErrorMs: span("stale-if-error") ?? policy.staleIfErrorMs,
  };
}

/**
 * Shortens a lifetime that the gateway chose by up to `jitter` (0 to 1), so that responses stored together do not
 * expire together. Deterministic, thus equal on all replicas. An explicit lifetime from the service is unchanged.
 */
export function withJitter(
  lifetime: Lifetime,
  jitter: number,
  from: { readonly url: string; readonly generation: number },
): Lifetime {
  if (jitter === 0 || !gatewayLifetimes.has(lifetime.from)) return lifetime;
  const digest = createHash("sha256").update(`${from.url} ${from.generation}`, "latin1").digest();
  const share = digest.readUInt32BE(0) / 2 ** 32;
  return { ...lifetime, ms: Math.floor(lifetime.ms * (1 - jitter * share)) };
}

const gatewayLifetimes: ReadonlySet<string> = new Set(["negative", "default", "heuristic"]);

/** Milliseconds to keep the response: the remaining lifetime plus the longest stale window. */
export function retention(remainingMs: number, windows: StaleWindows, policy: CachePolicy): number {
  const keepMs = policy.profile === "conformance" ? dayMs : hourMs;
  const windowMs = Math.max(windows.staleWhileRevalidateMs ?? 0, windows.staleIfErrorMs ?? 0, keepMs);
  return Math.min(Math.max(0, remainingMs) + windowMs, maxRetainMs);
}
