/** Request → service → route. Pure; the caller holds the snapshot of the registry. */
import { belowPrefix, coversPath } from "../http/path.ts";
import type { Route, Service } from "./service.ts";

export interface ServiceFound {
  readonly service: Service;
  /** The path below the service's own prefix: what routes match and the service receives. */
  readonly path: string;
}

/** Order of look-up: services that name a host first, then the longest prefix. */
export function inMatchOrder(services: readonly Service[]): readonly Service[] {
  return services.toSorted((a, b) => {
    if ((a.match.host === null) !== (b.match.host === null)) return a.match.host === null ? 1 : -1;
    return b.match.path.length - a.match.path.length;
  });
}

/** `services` in match order; `host` lower-case without port, null when the request has none (HTTP/1.0). */
export function matchService(
  services: readonly Service[],
  host: string | null,
  path: string,
): ServiceFound | null {
  for (const service of services) {
    const { match } = service;
    if (match.host !== null && match.host !== host && !isAlias(service, host)) continue;
    if (coversPath(match.path, path)) return { service, path: belowPrefix(match.path, path) };
  }
  return null;
}

function isAlias({ hostAliases, match }: Service, host: string | null): boolean {
  return host !== null && hostAliases.get(host) === match.host;
}

/** The first route that matches; null: plain proxying. `path` is below the service's prefix. */
export function matchRoute(service: Service, method: string, path: string): Route | null {
  for (const route of service.routes) {
    const { methods } = route.match;
    if (methods.length > 0 && !methods.includes(method)) continue;
    if (coversPath(route.match.path, path)) return route;
  }
  return null;
}
