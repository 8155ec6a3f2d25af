/** What an unsafe request takes out of the cache (RFC 9111 4.4, RFC 9875 3). */
import { isSafe } from "@sticky-proxy/protocol/http";
import { headerValue, type RequestHead, type ResponseHead } from "../http/message.ts";
import { cacheGroups } from "./selectors.ts";

/** Path and raw query of a URI on the service. */
export interface LocalUri {
  readonly path: string;
  readonly query: string | null;
}

export interface Invalidation {
  /** Dropped with all variants. */
  readonly uris: readonly LocalUri[];
  /** Groups of the service that become stale. */
  readonly groups: readonly string[];
}

const nothing: Invalidation = { uris: [], groups: [] };

/**
 * `origins`: the lower-case scheme://authority forms under which this service is reached, our public one and its own.
 * Nothing on an error: then nothing has changed. URIs of other origins are never ours to drop (4.4).
 */
export function invalidates(
  request: RequestHead,
  response: ResponseHead,
  origins: readonly string[],
): Invalidation {
  if (isSafe(request.method) || response.status < 200 || response.status >= 400) return nothing;
  const uris: LocalUri[] = [{ path: request.path, query: request.query }];
  for (const name of ["location", "content-location"]) {
    const value = headerValue(response.headers, name);
    const uri = value === null ? null : localUri(value, request, origins);
    if (uri !== null && !uris.some((known) => known.path === uri.path && known.query === uri.query))
      uris.push(uri);
  }
  return { uris, groups: cacheGroups(response.headers, "cache-group-invalidation") };
}

/** The reference resolved against the request, or null when it leads elsewhere or is no URI. */
export function localUri(
  reference: string,
  base: Pick<RequestHead, "path" | "query">,
  origins: readonly string[],
): LocalUri | null {
  const own = "http://own.invalid";
  const resolved = URL.parse(reference, `${own}${base.path}${base.query === null ? "" : `?${base.query}`}`);
  if (resolved === null || resolved.username !== "" || resolved.password !== "") return null;
  const origin = resolved.origin.toLowerCase();
  if (origin !== own && !origins.includes(origin)) return null;
  // URL drops an empty query's "?", which makes it another key.
  const query = resolved.search !== "" ? resolved.search.slice(1) : /\?(?:#|$)/.test(reference) ? "" : null;
  return { path: resolved.pathname, query };
}
