/** The Cache-Status field (RFC 9211) and its short form X-Cache. */
import type { BypassReason, ForwardCause } from "./reuse.ts";

export type CacheResult = "HIT" | "MISS" | "STALE" | "REVALIDATED" | "BYPASS";

export interface CacheStatus {
  /** The request was not answered by going forward; never together with `fwd` (RFC 9211 2.1). */
  readonly hit: boolean;
  /** Remaining lifetime of the stored response in ms, negative when it is stale; null: not mentioned. */
  readonly ttlMs: number | null;
  readonly fwd: ForwardCause | "method" | "bypass" | null;
  /** Status of the service's response where it differs from ours or was not passed on; null: not mentioned. */
  readonly fwdStatus: number | null;
  readonly stored: boolean;
  readonly collapsed: boolean;
  /** The reason, as a token. */
  readonly detail: string | null;
  /** The cache key; null: the route does not show it. */
  readonly key: string | null;
}

/** This cache's member of the list; the members of caches nearer the service precede it. */
export function formatCacheStatus(status: CacheStatus): string {
  const parts = ["sticky"];
  if (status.hit) parts.push("hit");
  if (status.fwd !== null) parts.push(`fwd=${status.fwd}`);
  if (status.fwdStatus !== null) parts.push(`fwd-status=${status.fwdStatus}`);
  if (status.ttlMs !== null) parts.push(`ttl=${Math.floor(status.ttlMs / 1000)}`);
  if (status.stored) parts.push("stored");
  if (status.collapsed) parts.push("collapsed");
  if (status.key !== null) parts.push(`key="${status.key}"`);
  if (status.detail !== null) parts.push(`detail=${status.detail}`);
  return parts.join("; ");
}

/** RFC 9211 2.2: a request directive that keeps the cache from answering is fwd=request, a rule of ours fwd=bypass. */
export function bypassCause(reason: BypassReason): "method" | "request" | "bypass" {
  if (reason === "method") return "method";
  return reason === "authorization" || reason === "cookie" || reason === "body" ? "bypass" : "request";
}
