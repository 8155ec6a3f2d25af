/** May this response be stored, and what is kept of it (RFC 9111 3)? Every refusal has a reason that is shown. */
import { createHash } from "node:crypto";
import { formatHttpDate } from "@sticky-proxy/protocol";
import {
  headerLines,
  headerValue,
  type HeaderList,
  type RequestHead,
  type ResponseHead,
} from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";
import {
  deltaSeconds,
  qualifiedFields,
  requestDirectives,
  responseDirectives,
  type Directives,
  type ResponseDirectives,
} from "./cache-control.ts";
import {
  dateOf,
  initialAgeMs,
  isHeuristicallyCacheable,
  lifetimeOf,
  type ExchangeTimes,
  type Lifetime,
} from "./freshness.ts";
import { localUri } from "./invalidation.ts";
import { partOf } from "./part.ts";
import { selectorsOf } from "./selectors.ts";
import { endToEnd, type StoredMetadata } from "./stored-metadata.ts";
import { partName, selectingNames, variantOf } from "./variant.ts";

export type NotStorable =
  | "method"
  | "request-no-store"
  | "status"
  | "no-store"
  | "private"
  | "set-cookie"
  | "authorization"
  | "vary-star"
  | "no-freshness"
  | "too-large"
  | "headers-too-large"
  | "too-many-tags"
  | "path-too-deep";

export type Judgement =
  | { readonly storable: true; readonly metadata: StoredMetadata }
  | { readonly storable: false; readonly reason: NotStorable };

/** What judging needs besides the messages. */
export interface Provenance {
  readonly service: string;
  readonly url: string;
  /** The partition's generation when the fetch began. */
  readonly generation: number;
  /** For a POST: scheme://authority forms under which its service is reached. */
  readonly origins?: readonly string[];
}

export const maxMetadataBytes = 64 * 1024;
/** However long a response says it is fresh, the store forgets it after this. */
export const maxRetainMs = 30 * 86_400_000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Final statuses whose meaning this cache knows; a 304 it does not store (RFC 9111 4.3.4). */
const understood: ReadonlySet<number> = new Set(
  [
    [200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 307, 308],
    [400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422],
    [423, 424, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 511],
  ].flat(),
);

/** bodyId and bodyBytes are the store's to fill in; until then null and the announced length. */
export function judge(
  request: RequestHead,
  response: ResponseHead,
  policy: CachePolicy,
  times: ExchangeTimes,
  from: Provenance,
): Judgement {
  const control = responseDirectives(response.headers);
  const refusal = refuse(request, response, control, policy, from.origins ?? []);
  if (refusal !== null) return { storable: false, reason: refusal };
  const names = selectingNames(response.headers, policy);
  if (names === null) return { storable: false, reason: "vary-star" };
  const varyNames = response.status === 206 ? [...names, partName].toSorted() : names;
  const selected = selectorsOf(from.service, request.path, response.headers, policy.tags);
  if (!selected.ok) return { storable: false, reason: selected.reason };

  const headers = reusableHeaders(response.headers, control.directives, times.responseAt);
  if (byteLength(headers) > maxMetadataBytes) return { storable: false, reason: "headers-too-large" };
  const announced = announcedLength(response.headers);
  if (announced > policy.maxObjectBytes) return { storable: false, reason: "too-large" };

  const given = lifetimeOf(response.status, response.headers, control, policy, times.responseAt);
  const lifetime = jittered(given, policy.ttlJitter, from);
  const ageMs = initialAgeMs(response.headers, times);
  const noCache = qualifiedFields(control.directives, "no-cache") === "all";
  const neverStale = noCache || forbidsStale(control.directives);
  const windows = staleWindows(control.directives, policy);
  const retainMs = retention(lifetime.ms - ageMs, windows, policy);
  const validates = headerValue(headers, "etag") !== null || headerValue(headers, "last-modified") !== null;
  const reusable = lifetime.ms > 0 && !noCache;
  const usableStale =
    windows.staleWhileRevalidateMs !== null ||
    windows.staleIfErrorMs !== null ||
    isForCutOff(lifetime, policy);
  if (!reusable && !validates && (neverStale || !usableStale))
    return { storable: false, reason: "no-freshness" };
  return {
    storable: true,
    metadata: {
      url: from.url,
      status: response.status,
      headers,
      bodyId: null,
      bodyBytes: announced,
      varyNames,
      variant: variantOf(request.headers, varyNames),
      selectors: selected.selectors,
      generation: from.generation,
      responseAt: times.responseAt,
      initialAgeMs: ageMs,
      lifetimeMs: lifetime.ms,
      lifetimeFrom: lifetime.from,
      dateAt: dateOf(response.headers, times.responseAt),
      noCache,
      neverStale,
      ...windows,
      sharedWithAuthorization: allowsAuthorization(control.directives),
      retainMs,
    },
  };
}

/** RFC 9111 3, in the order in which the reasons are worth telling. */
function refuse(
  request: RequestHead,
  response: ResponseHead,
  { directives, targeted }: ResponseDirectives,
  policy: CachePolicy,
  origins: readonly string[],
): NotStorable | null {
  if (request.method !== "GET" && !isReusablePost(request, response, directives, targeted, origins))
    return "method";
  if (requestDirectives(request.headers).has("no-store")) return "request-no-store";
  const { status } = response;
  if (status < 200 || status > 599 || status === 304) return "status";
  if (status === 206 && (policy.profile === "safe" || !isStorablePart(request, response))) return "status";
  if (status === 416 && headerValue(request.headers, "range") !== null) return "status";
  const mustUnderstand = directives.has("must-understand");
  if (mustUnderstand && !understood.has(status)) return "status";
  // 5.2.2.3: who understands the status may ignore no-store beside must-understand.
  if (directives.has("no-store") && !mustUnderstand) return "no-store";
  if (qualifiedFields(directives, "private") === "all") return "private";
  if (policy.profile === "safe" && headerValue(response.headers, "set-cookie") !== null) return "set-cookie";
  if (headerValue(request.headers, "authorization") !== null && !allowsAuthorization(directives)) {
    return "authorization";
  }
  const storableByDefault =
    isHeuristicallyCacheable(status) ||
    policy.negativeTtlMs.has(status) ||
    isExplicit(response.headers, directives, targeted);
  return storableByDefault ? null : "no-freshness";
}

/** 3.3. Only a part that says how long it is: by that it is told from one that broke off. */
function isStorablePart(request: RequestHead, { status, headers }: ResponseHead): boolean {
  const part = partOf(headers);
  if (status !== 206 || request.method !== "GET" || headerValue(request.headers, "range") === null)
    return false;
  return part !== null && announcedLength(headers) === part.last - part.first + 1;
}

function isExplicit(headers: HeaderList, directives: Directives, targeted: boolean): boolean {
  const named = ["public", "max-age", "s-maxage"];
  return (
    named.some((name) => directives.has(name)) || (!targeted && headerValue(headers, "expires") !== null)
  );
}

/** RFC 9110 9.3.3: explicit freshness, and Content-Location equal to the request's own URI. */
function isReusablePost(
  request: RequestHead,
  response: ResponseHead,
  directives: Directives,
  targeted: boolean,
  origins: readonly string[],
): boolean {
  if (request.method !== "POST" || response.status !== 200) return false;
  const fresh =
    directives.has("max-age") ||
    directives.has("s-maxage") ||
    (!targeted && headerValue(response.headers, "expires") !== null);
  const location = headerValue(response.headers, "content-location");
  if (!fresh || location === null) return false;
  const uri = localUri(location, request, origins);
  return uri !== null && uri.path === request.path && uri.query === request.query;
}

/** 3.5: public, s-maxage and must-revalidate make a response to an authorised request everybody's. */
function allowsAuthorization(directives: Directives): boolean {
  return directives.has("public") || directives.has("s-maxage") || directives.has("must-revalidate");
}

/** 4.2.4; s-maxage carries the meaning of proxy-revalidate (5.2.2.10). */
function forbidsStale(directives: Directives): boolean {
  return (
    directives.has("must-revalidate") || directives.has("proxy-revalidate") || directives.has("s-maxage")
  );
}

/** 4.2.4: what was stale when it came still helps a cache that is cut off, where the profile serves it then. */
function isForCutOff(lifetime: Lifetime, policy: CachePolicy): boolean {
  return policy.profile === "conformance" && lifetime.from !== "none";
}

interface StaleWindows {
  readonly staleWhileRevalidateMs: number | null;
  readonly staleIfErrorMs: number | null;
}

function staleWindows(directives: Directives, policy: CachePolicy): StaleWindows {
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
 * Responses stored together must not expire together: up to `jitter` (a share of 1) shorter, the same on every
 * replica. A lifetime that the service itself named is kept.
 */
function jittered(lifetime: Lifetime, jitter: number, from: Provenance): Lifetime {
  if (jitter === 0 || !gatewayLifetimes.has(lifetime.from)) return lifetime;
  const digest = createHash("sha256").update(`${from.url} ${from.generation}`, "latin1").digest();
  const share = digest.readUInt32BE(0) / 2 ** 32;
  return { ...lifetime, ms: Math.floor(lifetime.ms * (1 - jitter * share)) };
}

const gatewayLifetimes: ReadonlySet<string> = new Set(["negative", "default", "heuristic"]);

/** The rest of the lifetime and the longest use of a stale response after it. */
function retention(remainingMs: number, windows: StaleWindows, policy: CachePolicy): number {
  const keepMs = policy.profile === "conformance" ? dayMs : hourMs;
  const windowMs = Math.max(windows.staleWhileRevalidateMs ?? 0, windows.staleIfErrorMs ?? 0, keepMs);
  return Math.min(Math.max(0, remainingMs) + windowMs, maxRetainMs);
}

/** What others may be sent (3.1): without hop-by-hop fields, Age (it is computed), and fields named by no-cache or private. */
function reusableHeaders(headers: HeaderList, directives: Directives, responseAt: number): HeaderList {
  const dropped = new Set(["age", "content-length"]);
  for (const name of ["no-cache", "private"] as const) {
    const fields = qualifiedFields(directives, name);
    if (fields !== null && fields !== "all") for (const field of fields) dropped.add(field);
  }
  const kept = endToEnd(headers).filter(([name]) => !dropped.has(name.toLowerCase()));
  return headerValue(kept, "date") === null ? [...kept, ["Date", formatHttpDate(responseAt)]] : kept;
}

/** Content-Length in bytes; 0 when it is absent or more than one number. */
export function announcedLength(headers: HeaderList): number {
  const values = new Set(headerLines(headers, "content-length"));
  const [value] = values;
  return values.size === 1 && /^[0-9]+$/.test(value ?? "") ? Number(value) : 0;
}

function byteLength(headers: HeaderList): number {
  return headers.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
}
