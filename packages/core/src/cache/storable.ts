/** Whether a response may be stored, and with which metadata (RFC 9111 3). Each refusal has a reason for the logs. */
import { headerValue, type RequestHead, type ResponseHead } from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";
import { credentialOf, mayShareWith } from "./credential.ts";
import { qualifiedFields, responseDirectives, type Directives } from "./cache-control.ts";
import { dateOf, initialAgeMs, lifetimeOf, type ExchangeTimes, type Lifetime } from "./freshness.ts";
import { retention, staleWindows, withJitter } from "./retention.ts";
import { selectorsOf } from "./selectors.ts";
import { announcedLength, byteLength, headersToStore } from "./storable-headers.ts";
import { allowsAuthorization, refusalOf, type NotStorable } from "./storage-refusal.ts";
import type { StoredMetadata } from "./stored-metadata.ts";
import { partName, selectingNames, variantOf } from "./variant.ts";

export type Judgement =
  | { readonly storable: true; readonly metadata: StoredMetadata }
  | { readonly storable: false; readonly reason: NotStorable };

/** Where the response came from: what the messages themselves do not say. */
export interface Provenance {
  readonly service: string;
  readonly url: string;
  /** The partition's generation when the fetch began. */
  readonly generation: number;
  /** For a POST: scheme://authority forms under which its service is reached. */
  readonly origins?: readonly string[];
}

export const maxMetadataBytes = 64 * 1024;

/**
 * Decides whether a response may be stored (RFC 9111 3) and builds its metadata.
 * The store sets bodyId and bodyBytes; until then they are null and the announced Content-Length.
 */
export function judge(
  request: RequestHead,
  response: ResponseHead,
  policy: CachePolicy,
  times: ExchangeTimes,
  from: Provenance,
): Judgement {
  const control = responseDirectives(response.headers);
  const refusal = refusalOf(request, response, control, policy, from.origins ?? []);
  if (refusal !== null) return { storable: false, reason: refusal };
  const names = selectingNames(response.headers, policy);
  if (names === null) return { storable: false, reason: "vary-star" };
  const varyNames = response.status === 206 ? [...names, partName].toSorted() : names;
  const selected = selectorsOf(from.service, request.path, response.headers, policy.tags);
  if (!selected.ok) return { storable: false, reason: selected.reason };

  const headers = headersToStore(response.headers, control.directives, times.responseAt);
  if (byteLength(headers) > maxMetadataBytes) return { storable: false, reason: "headers-too-large" };
  const announced = announcedLength(response.headers);
  if (announced > policy.maxObjectBytes) return { storable: false, reason: "too-large" };

  const given = lifetimeOf(response.status, response.headers, control, policy, times.responseAt);
  const lifetime = withJitter(given, policy.ttlJitter, from);
  const sharedWithAuthorization = allowsAuthorization(control.directives);
  const sharing = { lifetimeFrom: lifetime.from, sharedWithAuthorization };
  if (!mayShareWith(credentialOf(request.headers, policy), sharing))
    return { storable: false, reason: "credential" };
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
      sharedWithAuthorization,
      retainMs,
    },
  };
}

/** RFC 9111 4.2.4; s-maxage carries the meaning of proxy-revalidate (5.2.2.10). */
function forbidsStale(directives: Directives): boolean {
  return (
    directives.has("must-revalidate") || directives.has("proxy-revalidate") || directives.has("s-maxage")
  );
}

/** RFC 9111 4.2.4: the conformance profile serves a response that arrived stale while the service is unreachable. */
function isForCutOff(lifetime: Lifetime, policy: CachePolicy): boolean {
  return policy.profile === "conformance" && lifetime.from !== "none";
}
