/**
 * Decides how to answer a request from the stored responses found for it (RFC 9111 4). Pure: the caller does the I/O.
 *
 *   serve     reuse the stored response, fresh or stale, possibly with a background revalidation
 *   validate  send a conditional request to the service
 *   fetch     forward the request without validators of the stored response
 *   bypass    forward the request; the store is neither read nor written
 *   refuse    504: only-if-cached, and no stored response is reusable
 */
import { headerValue, type HeaderLine, type RequestHead } from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";
import { deltaSeconds, requestDirectives, type Directives } from "./cache-control.ts";
import { hasCondition, hasOriginPrecondition, validationFields } from "./conditional.ts";
import { fallbackOf, noFallback, type Fallback } from "./fallback.ts";
import { credentialOf, mayShareWith } from "./credential.ts";
import { currentAgeMs } from "./freshness.ts";
import { rangeWithin } from "./part.ts";
import type { StoredMetadata } from "./stored-metadata.ts";
import { cookieValue } from "./variant.ts";

/** What the look-up found for this request. */
export interface CacheKnown {
  readonly stored: StoredMetadata | null;
  /** Server time of a soft purge that hit the stored response; null: none did. */
  readonly softPurgedAt: number | null;
  /** The key has stored responses that Vary does not select for this request. */
  readonly otherVariants: boolean;
  /** Hit-for-miss: why the last response could not be shared, so requests are not collapsed; null: it could. */
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
      /** Forward the client's conditions and Range: no stored response exists to evaluate them against. */
      readonly keepConditions: boolean;
      /** Fetched as a GET of the whole, also for a HEAD: its response may be stored. */
      readonly fills: boolean;
      readonly cause: ForwardCause;
      readonly collapse: boolean;
      readonly fallback: Fallback;
    }
  | { readonly action: "bypass"; readonly reason: BypassReason }
  | { readonly action: "refuse" };

export function decide(
  request: RequestHead,
  known: CacheKnown,
  policy: CachePolicy,
  now: number,
): CacheDecision {
  const directives = directivesOf(request, policy);
  const onlyIfCached = directives.has("only-if-cached");
  const bypass = bypassReason(request, directives, policy);
  if (bypass !== null)
    return onlyIfCached && bypass !== "method" ? { action: "refuse" } : { action: "bypass", reason: bypass };

  const { stored } = known;
  if (stored?.status === 206) {
    // A stored part that does not cover the requested range counts as no stored response.
    return servesPart(request, directives, known, stored, policy, now)
      ? { action: "serve", stored, why: "fresh", refresh: false }
      : decide(request, { ...known, stored: null }, policy, now);
  }
  const collapse = mayCollapse(request, directives, known, policy);
  if (stored === null) {
    if (onlyIfCached) return { action: "refuse" };
    const cause = known.otherVariants ? "vary-miss" : "uri-miss";
    // The fetch fills the cache for everybody, and the client's own condition is judged by what comes. Where nothing of
    // it may be stored, and for a part of something large, the service judges.
    const mayFill = known.unshareable === null && credentialOf(request.headers, policy) === "none";
    const asksForPart = wantsRange(request) && !(mayFill && wantsAll(request));
    const keepConditions =
      asksForPart || (!mayFill && (hasCondition(request.headers) || wantsRange(request)));
    return {
      action: "fetch",
      stored,
      keepConditions,
      fills: mayFill && !keepConditions,
      cause,
      collapse: collapse && !keepConditions,
      fallback: noFallback,
    };
  }

  const ttlMs = remainingMs(stored, known.softPurgedAt, now);
  const authorized = mayShare(request, stored, policy);
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
    fills: false,
    cause,
    collapse: collapse && !refused,
    fallback,
  };
}

/** RFC 9111 3.5, and for every other credential as for Authorization. */
function mayShare(request: RequestHead, stored: StoredMetadata, policy: CachePolicy): boolean {
  return mayShareWith(credentialOf(request.headers, policy), stored);
}

function servesPart(
  request: RequestHead,
  directives: Directives,
  { softPurgedAt }: CacheKnown,
  part: StoredMetadata,
  policy: CachePolicy,
  now: number,
): boolean {
  const ttlMs = remainingMs(part, softPurgedAt, now);
  if (ttlMs <= 0 || part.noCache || !mayShare(request, part, policy)) return false;
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

/** Range is defined for GET only (RFC 9110 14.2). */
function wantsRange(request: RequestHead): boolean {
  return request.method === "GET" && headerValue(request.headers, "range") !== null;
}

/** Of a client that may make the service work: RFC 9111 5.2.1 lets a cache ignore what it asks for. */
function directivesOf({ headers }: RequestHead, { clientReload }: CachePolicy): Directives {
  const asked = requestDirectives(headers);
  if (clientReload === "obey") return asked;
  return new Map([...asked].filter(([name]) => !["no-cache", "max-age", "min-fresh"].includes(name)));
}

/** "bytes=0-" is how players ask for the whole; a server may answer it with 200 (RFC 9110 14.2). */
function wantsAll({ headers }: RequestHead): boolean {
  return /^bytes=[ \t]*0-[ \t]*$/i.test(headerValue(headers, "range") ?? "");
}

/**
 * Requests are collapsed only where one response can serve them all. The stored response predicts the next one: with
 * no-cache or a lifetime of zero each request must be forwarded.
 */
function mayCollapse(
  request: RequestHead,
  directives: Directives,
  known: CacheKnown,
  policy: CachePolicy,
): boolean {
  if (known.unshareable !== null || (request.method === "HEAD" && known.stored !== null)) return false;
  // A request that limits the age of a stored response does not accept one already being fetched either.
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

/** Whether request directives require validation (RFC 9111 5.2.1). */
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
