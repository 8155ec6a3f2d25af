/**
 * What to do with a request, given what is stored (RFC 9111 4). Pure: the caller looks up, tells the time, and does it.
 *
 *   serve     from the store, fresh or stale, maybe with a refresh behind it
 *   validate  ask the service whether the stored response still holds
 *   fetch     ask the service for the whole
 *   bypass    the request passes by the store
 *   refuse    only-if-cached, and nothing to serve: 504
 */
import { headerValue, type HeaderLine, type RequestHead } from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";
import { deltaSeconds, requestDirectives, type Directives } from "./cache-control.ts";
import { hasCondition, hasOriginPrecondition, isNotModified, validationFields } from "./conditional.ts";
import { currentAgeMs } from "./freshness.ts";
import { partOf, rangeWithin, type Part } from "./part.ts";
import { evaluateRange, type RangeAnswer } from "./range.ts";
import type { StoredMetadata } from "./stored-metadata.ts";
import { cookieValue } from "./variant.ts";

/** What the look-up found for this request. */
export interface CacheKnown {
  readonly stored: StoredMetadata | null;
  /** Server time of a soft purge that hit the stored response; null: none did. */
  readonly softPurgedAt: number | null;
  /** The key holds responses that this request does not select. */
  readonly otherVariants: boolean;
  /** Hit-for-miss: why the last response could not be shared, so requests do not wait for each other; null: it could. */
  readonly unshareable: string | null;
}

export type BypassReason =
  | "method"
  | "no-store"
  | "authorization"
  | "cookie"
  | "body"
  | "precondition"
  | "range";
export type ForwardCause = "uri-miss" | "vary-miss" | "stale" | "request";

/** May the stored response stand in when the service fails, and for which failures? */
export interface Fallback {
  /** An answer of 500, 502, 503 or 504. */
  readonly onErrorStatus: boolean;
  /** No answer at all. */
  readonly onDisconnect: boolean;
  /** It is stale and may never stand in: whoever cannot validate it gets a 504 (RFC 9111 5.2.2.2). */
  readonly isForbidden: boolean;
}

export type CacheDecision =
  | {
      readonly action: "serve";
      readonly stored: StoredMetadata;
      readonly why: "fresh" | "max-stale" | "stale-while-revalidate";
      readonly refresh: boolean;
    }
  | {
      readonly action: "validate";
      readonly stored: StoredMetadata;
      readonly conditions: readonly HeaderLine[];
      readonly cause: ForwardCause;
      readonly collapse: boolean;
      readonly fallback: Fallback;
    }
  | {
      readonly action: "fetch";
      /** The unusable stored response, if there is one. */
      readonly stored: StoredMetadata | null;
      /** The client's own conditions and range go along: nothing is stored that they could be judged by here. */
      readonly keepConditions: boolean;
      readonly cause: ForwardCause;
      readonly collapse: boolean;
      readonly fallback: Fallback;
    }
  | { readonly action: "bypass"; readonly reason: BypassReason }
  | { readonly action: "refuse" };

const noFallback: Fallback = { onErrorStatus: false, onDisconnect: false, isForbidden: false };
const dayMs = 86_400_000;

export function decide(
  request: RequestHead,
  known: CacheKnown,
  policy: CachePolicy,
  now: number,
): CacheDecision {
  const directives = requestDirectives(request.headers);
  const onlyIfCached = directives.has("only-if-cached");
  const bypass = bypassReason(request, directives, policy);
  if (bypass !== null)
    return onlyIfCached && bypass !== "method" ? { action: "refuse" } : { action: "bypass", reason: bypass };

  const { stored } = known;
  if (stored?.status === 206) {
    // A part that cannot answer this request is as good as none.
    return servesPart(request, directives, known, stored, now)
      ? { action: "serve", stored, why: "fresh", refresh: false }
      : decide(request, { ...known, stored: null }, policy, now);
  }
  const collapse = mayCollapse(request, directives, known, policy);
  if (stored === null) {
    if (onlyIfCached) return { action: "refuse" };
    const cause = known.otherVariants ? "vary-miss" : "uri-miss";
    // A service may answer a range with the whole, which is stored (RFC 9110 14.2); a part is for this client alone.
    const keepConditions = hasCondition(request.headers) || wantsRange(request);
    return {
      action: "fetch",
      stored,
      keepConditions,
      cause,
      collapse: collapse && !keepConditions,
      fallback: noFallback,
    };
  }

  const ttlMs = remainingMs(stored, known.softPurgedAt, now);
  const authorized = mayShare(request, stored);
  const refused = demandsValidation(directives, stored, ttlMs, now);
  if (authorized && !refused) {
    const why = reusableBecause(directives, stored, ttlMs);
    if (why !== null) return { action: "serve", stored, why, refresh: why === "stale-while-revalidate" };
  }
  if (onlyIfCached) return { action: "refuse" };

  const cause = ttlMs > 0 && !stored.noCache ? "request" : "stale";
  const fallback = authorized ? fallbackOf(directives, stored, ttlMs, policy) : noFallback;
  const conditions = authorized && request.method === "GET" ? validationFields(stored.headers) : [];
  if (conditions.length > 0) {
    return { action: "validate", stored, conditions, cause, collapse: collapse && !refused, fallback };
  }
  if (wantsRange(request)) return { action: "bypass", reason: "range" };
  return {
    action: "fetch",
    stored,
    keepConditions: false,
    cause,
    collapse: collapse && !refused,
    fallback,
  };
}

/** RFC 9111 3.5. */
function mayShare(request: RequestHead, stored: StoredMetadata): boolean {
  return headerValue(request.headers, "authorization") === null || stored.sharedWithAuthorization;
}

function servesPart(
  request: RequestHead,
  directives: Directives,
  { softPurgedAt }: CacheKnown,
  part: StoredMetadata,
  now: number,
): boolean {
  const ttlMs = remainingMs(part, softPurgedAt, now);
  if (ttlMs <= 0 || part.noCache || !mayShare(request, part)) return false;
  return !demandsValidation(directives, part, ttlMs, now) && rangeWithin(request, part, now) !== null;
}

function bypassReason(
  request: RequestHead,
  directives: Directives,
  policy: CachePolicy,
): BypassReason | null {
  if (request.method !== "GET" && request.method !== "HEAD") return "method";
  if (directives.has("no-store")) return "no-store";
  if (policy.bypass.authorization && headerValue(request.headers, "authorization") !== null)
    return "authorization";
  if (policy.bypass.cookies.some((name) => cookieValue(request.headers, name) !== null)) return "cookie";
  const length = headerValue(request.headers, "content-length");
  if (headerValue(request.headers, "transfer-encoding") !== null || (length !== null && length !== "0"))
    return "body";
  return hasOriginPrecondition(request.headers) ? "precondition" : null;
}

/** Only GET: for a HEAD a range means nothing (RFC 9110 14.2). */
function wantsRange(request: RequestHead): boolean {
  return request.method === "GET" && headerValue(request.headers, "range") !== null;
}

/**
 * Requests wait for each other only where one response can serve them all. What is stored tells what the next one will
 * be like: with no-cache, or no lifetime, everybody has to ask anyway.
 */
function mayCollapse(
  request: RequestHead,
  directives: Directives,
  known: CacheKnown,
  policy: CachePolicy,
): boolean {
  if (request.method !== "GET" || known.unshareable !== null) return false;
  // Whoever wants a younger response than may be stored does not want one that is under way either.
  if (["no-cache", "max-age", "min-fresh"].some((name) => directives.has(name))) return false;
  if (known.stored !== null && (known.stored.noCache || known.stored.lifetimeMs === 0)) return false;
  if (policy.collapseCredentials) return true;
  return (
    headerValue(request.headers, "authorization") === null && headerValue(request.headers, "cookie") === null
  );
}

/** Lifetime left, negative when stale; a soft purge ends the lifetime at its own moment. */
export function remainingMs(stored: StoredMetadata, softPurgedAt: number | null, now: number): number {
  const ttlMs = stored.lifetimeMs - currentAgeMs(stored, now);
  return softPurgedAt === null ? ttlMs : Math.min(ttlMs, Math.min(0, softPurgedAt - now));
}

/** What the client asks for beyond the response's own rules (5.2.1). */
function demandsValidation(
  directives: Directives,
  stored: StoredMetadata,
  ttlMs: number,
  now: number,
): boolean {
  if (directives.has("no-cache")) return true;
  const maxAge = deltaSeconds(directives, "max-age");
  if (maxAge !== null) {
    if (maxAge === 0 || currentAgeMs(stored, now) > maxAge * 1000) return true;
    if (ttlMs <= 0 && !directives.has("max-stale")) return true; // 5.2.1.1: no stale response
  }
  const minFresh = deltaSeconds(directives, "min-fresh");
  return minFresh !== null && ttlMs < minFresh * 1000;
}

function reusableBecause(
  directives: Directives,
  stored: StoredMetadata,
  ttlMs: number,
): "fresh" | "max-stale" | "stale-while-revalidate" | null {
  if (stored.noCache) return null;
  if (ttlMs > 0) return "fresh";
  if (stored.neverStale) return null;
  if (stored.staleWhileRevalidateMs !== null && -ttlMs < stored.staleWhileRevalidateMs) {
    return "stale-while-revalidate";
  }
  if (!directives.has("max-stale")) return null;
  // Without an argument any staleness is accepted (5.2.1.2); with one we cannot read, none.
  const limit =
    directives.get("max-stale") === null ? Infinity : (deltaSeconds(directives, "max-stale") ?? 0);
  return -ttlMs <= limit * 1000 ? "max-stale" : null;
}

/**
 * RFC 5861 4. Without a word about errors, `conformance` serves stale for a day when it is cut off (RFC 9111 4.2.4), and
 * takes a 5xx for no answer (4.3.3); `safe` does neither. A window that was named is the limit for both.
 */
function fallbackOf(
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

/** How a stored response answers this very request (RFC 9110 13.2.2: conditions first, then the range). */
export type CacheAnswer =
  | RangeAnswer
  | { readonly as: "not-modified" }
  /** From a stored part: `range` of the whole, whose first byte is `skip` bytes behind the part's own. */
  | { readonly as: "part"; readonly range: Part; readonly skip: number };

export function answerFrom(
  request: RequestHead,
  stored: Pick<StoredMetadata, "status" | "headers" | "dateAt" | "bodyBytes">,
  now: number,
): CacheAnswer {
  if (isNotModified(request.headers, stored, now)) return { as: "not-modified" };
  if (request.method !== "GET") return { as: "full" };
  if (stored.status === 206) {
    const range = rangeWithin(request, stored, now);
    const skip = (range?.first ?? 0) - (partOf(stored.headers)?.first ?? 0);
    return range === null ? { as: "full" } : { as: "part", range, skip };
  }
  return evaluateRange(request.headers, stored, stored.bodyBytes, now);
}
