/** From a URI to the service, the route and the key under which a response to GET is stored. */
import { normalisePath } from "../http/path.ts";
import { hasConditions } from "../registry/conditions.ts";
import { canonicalHost } from "../registry/host.ts";
import { inMatchOrder, matchService, routesOfPath, strippedPrefix } from "../registry/match.ts";
import type { CachePolicy, Service } from "../registry/service.ts";
import { cacheKey } from "./key.ts";
import type { LocalUri } from "./invalidation.ts";

/** Where a request came in; the scheme and, with `preserveHost`, the host are shown to the service. */
export interface EntryPoint {
  /** As in {@link KeyParts}. */
  readonly principal: string;
  readonly scheme: "http" | "https";
  /** Host of the request, with its port; "" when it has none. */
  readonly host: string;
}

/** The host that the service sees, which may therefore shape its response: the configured one, or the client's. */
export function shownHost(service: Service, host: string): string {
  return service.match.host ?? (service.preserveHost ? canonicalHost(service, host) : "");
}

/** `uri` is below the service's prefix. */
export function keyOf(service: Service, policy: CachePolicy, uri: LocalUri, at: EntryPoint): string {
  const { principal, scheme } = at;
  const host = shownHost(service, at.host);
  return cacheKey(
    { principal, service: service.name, scheme, host, path: uri.path, query: uri.query },
    policy,
  );
}

/** The scheme://authority forms, lower-case, under which the service is reached: ours and its own. */
export function originsOf(service: Service, publicOrigins: readonly string[], at: EntryPoint): string[] {
  const origins = [...publicOrigins, ...service.instances.map(({ origin }) => origin.toLowerCase())];
  return at.host === "" ? origins : [...origins, `${at.scheme}://${at.host}`];
}

/**
 * The policies under which GET of this path may be cached: that of the first route that asks for the path alone, and
 * those of routes before it that ask for a host, a field or a parameter too. Empty: it is not cached.
 */
export function cachePoliciesAt(service: Service, path: string): readonly CachePolicy[] {
  const policies: CachePolicy[] = [];
  for (const route of routesOfPath(service, "GET", path)) {
    if (route.cache !== null) policies.push(route.cache);
    if (!hasConditions(route.match)) break;
  }
  return policies;
}

export function hasCache(service: Service): boolean {
  return service.routes.some((route) => route.cache !== null);
}

/**
 * The keys under which any form of a URI may be stored: both schemes, and the path as it is or below the service's
 * prefix, since a service may name its own paths either way. Dropping one key too many costs a fetch.
 */
export function keysOfUri(service: Service, uri: LocalUri, at: EntryPoint): string[] {
  const normal = normalisePath(uri.path);
  if (!normal.ok) return [];
  const prefix = strippedPrefix(service.match);
  const paths = [normal.path];
  if (prefix !== "/" && normal.path.startsWith(`${prefix}/`)) paths.push(normal.path.slice(prefix.length));
  const keys = paths.flatMap((path) =>
    cachePoliciesAt(service, path).flatMap((policy) =>
      (["http", "https"] as const).map((scheme) =>
        keyOf(service, policy, { path, query: uri.query }, { ...at, scheme }),
      ),
    ),
  );
  return [...new Set(keys)];
}

export interface Resource {
  readonly service: Service;
  readonly path: string;
  readonly query: string | null;
  readonly at: EntryPoint;
}

/** The resource behind a public URL, or a path that begins with "/"; null: no service, or a path that is none. */
export function resourceOfUrl(services: readonly Service[], url: string): Resource | null {
  const found = /^(?:(https?):\/\/([^/?#]+))?(\/[^?#]*)?(?:\?([^#]*))?(?:#.*)?$/i.exec(url);
  if (found === null) return null;
  const [, scheme, authority = "", path = "/", query] = found;
  const normal = normalisePath(path);
  if (!normal.ok) return null;
  const host = authority.toLowerCase();
  const name = host.replace(/:\d+$/, "");
  const facts = { host: name === "" ? null : name, query: query ?? null, headers: [] };
  const matched = matchService(inMatchOrder(services), facts.host, normal.path, facts);
  if (matched === null) return null;
  return {
    service: matched.service,
    path: matched.path,
    query: query ?? null,
    at: { principal: "", scheme: scheme?.toLowerCase() === "https" ? "https" : "http", host },
  };
}

/**
 * Whether a response that was stored for one URL is meant by another: same authority, path and query, whatever the
 * scheme, the fragment and the case of the host. `other` may be a path alone, which then fits at every authority.
 */
export function isSameUrl(stored: string, other: string): boolean {
  const base = "http://any/";
  if (!URL.canParse(stored, base) || !URL.canParse(other, base)) return false;
  const [one, two] = [new URL(stored, base), new URL(other, base)];
  if (one.pathname !== two.pathname || one.search !== two.search) return false;
  return two.host === "any" || one.host === two.host;
}
