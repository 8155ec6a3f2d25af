/** Age and lifetime of a response (RFC 9111 4.2). All times are epoch or span milliseconds. */
import { headerLines, headerValue, type HeaderList } from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";
import { deltaSeconds, maxDeltaSeconds, type ResponseDirectives } from "./cache-control.ts";
import { parseHttpDate, splitList } from "@sticky-proxy/protocol/http";
import type { LifetimeSource, StoredMetadata } from "./stored-metadata.ts";

const dayMs = 86_400_000;

/** Statuses with a heuristic lifetime (RFC 9110 15.1). */
export const heuristicallyCacheable: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501,
]);

export function isHeuristicallyCacheable(status: number): boolean {
  return heuristicallyCacheable.has(status);
}

/** Server times around one exchange: the request was sent, the head of the response was received. */
export interface ExchangeTimes {
  readonly requestAt: number;
  readonly responseAt: number;
}

/** The Date field; the time of receipt when it is missing or no date. */
export function dateOf(headers: HeaderList, responseAt: number): number {
  const date = headerValue(headers, "date");
  return (date === null ? null : parseHttpDate(date, responseAt)) ?? responseAt;
}

/** The first member of Age in seconds; anything but an integer is 0 (RFC 9111 5.1). */
export function ageValue(headers: HeaderList): number {
  const first = splitList(headerLines(headers, "age").join(","))[0] ?? "";
  return /^[0-9]+$/.test(first) ? Math.min(Number(first), maxDeltaSeconds) : 0;
}

/**
 * corrected_initial_age (4.2.3), the apparent age in whole seconds because that is all a Date can tell. A Date of the
 * second of the request, or later, may have been made during this exchange: the delay counts then, not a second that
 * happened to end meanwhile.
 */
export function initialAgeMs(headers: HeaderList, times: ExchangeTimes): number {
  const dateAt = dateOf(headers, times.responseAt);
  const isOlder = dateAt < wholeSecond(times.requestAt);
  const apparent = isOlder ? Math.max(0, wholeSecond(times.responseAt) - dateAt) : 0;
  const delay = Math.max(0, times.responseAt - times.requestAt);
  return Math.max(apparent, ageValue(headers) * 1000 + delay);
}

function wholeSecond(at: number): number {
  return at - (at % 1000);
}

/** current_age (4.2.3). */
export function currentAgeMs(
  stored: Pick<StoredMetadata, "initialAgeMs" | "responseAt">,
  now: number,
): number {
  return stored.initialAgeMs + Math.max(0, now - stored.responseAt);
}

export interface Lifetime {
  readonly ms: number;
  readonly from: LifetimeSource;
}

/**
 * freshness_lifetime (4.2.1): s-maxage, max-age, Expires, the route's lifetime for errors and its default,
 * else a tenth of the time since Last-Modified, at most a day (4.2.2). `maxTtlMs` caps whatever it is.
 */
export function lifetimeOf(
  status: number,
  headers: HeaderList,
  { directives, targeted }: ResponseDirectives,
  policy: Pick<CachePolicy, "defaultTtlMs" | "maxTtlMs" | "negativeTtlMs">,
  responseAt: number,
): Lifetime {
  const lifetime =
    explicitLifetime(headers, directives, targeted, responseAt) ??
    routeLifetime(status, directives.has("public"), policy) ??
    heuristicLifetime(status, headers, directives.has("public"), responseAt);
  return policy.maxTtlMs === null ? lifetime : { ...lifetime, ms: Math.min(lifetime.ms, policy.maxTtlMs) };
}

function explicitLifetime(
  headers: HeaderList,
  directives: ResponseDirectives["directives"],
  targeted: boolean,
  responseAt: number,
): Lifetime | null {
  for (const name of ["s-maxage", "max-age"] as const) {
    const seconds = deltaSeconds(directives, name);
    if (seconds !== null) return { ms: seconds * 1000, from: name };
  }
  const [expires, ...more] = targeted ? [] : headerLines(headers, "expires");
  if (expires === undefined) return null;
  const at = more.length === 0 ? parseHttpDate(expires, responseAt) : null;
  const ms = at === null ? 0 : Math.max(0, at - dateOf(headers, responseAt));
  return { ms: Math.min(ms, maxDeltaSeconds * 1000), from: "expires" };
}

function routeLifetime(
  status: number,
  isPublic: boolean,
  policy: Pick<CachePolicy, "defaultTtlMs" | "negativeTtlMs">,
): Lifetime | null {
  const negative = policy.negativeTtlMs.get(status);
  if (negative !== undefined) return { ms: negative, from: "negative" };
  if (policy.defaultTtlMs === null || status >= 400) return null;
  return isPublic || isHeuristicallyCacheable(status) ? { ms: policy.defaultTtlMs, from: "default" } : null;
}

function heuristicLifetime(
  status: number,
  headers: HeaderList,
  isPublic: boolean,
  responseAt: number,
): Lifetime {
  const lastModified = headerValue(headers, "last-modified");
  if (lastModified === null || !(isPublic || isHeuristicallyCacheable(status)))
    return { ms: 0, from: "none" };
  const modifiedAt = parseHttpDate(lastModified, responseAt);
  if (modifiedAt === null) return { ms: 0, from: "none" };
  const tenth = (dateOf(headers, responseAt) - modifiedAt) / 10;
  return { ms: Math.min(Math.max(0, Math.floor(tenth)), dayMs), from: "heuristic" };
}
