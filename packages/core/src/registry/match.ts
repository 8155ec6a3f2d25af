/** Request → service → route. Pure; the caller holds the snapshot of the registry. */
import { belowPrefix, coversPath } from "../http/path.ts";
import {
  conditionCheck,
  coversHost,
  type ConditionCheck,
  type ConditionFault,
  type RequestFacts,
} from "./conditions.ts";
import { pathRule, type PathRule } from "./path-pattern.ts";
import type { Route, Service, ServiceMatch } from "./service.ts";

export interface ServiceFound {
  readonly service: Service;
  /** The path below the service's own prefix, where that is stripped: what routes match and the service receives. */
  readonly path: string;
}

/** One host (or any) of one service, ready to be asked. */
export interface ServiceEntry {
  readonly service: Service;
  /** null: any. */
  readonly host: string | null;
  readonly conditions: ConditionCheck | null;
}

/**
 * Order of look-up: a host by name, then wildcards (the longer first), then any host; then the longest prefix; then more
 * conditions on fields and query before fewer. What is equal keeps the order of `services`.
 */
export function inMatchOrder(services: readonly Service[]): readonly ServiceEntry[] {
  return services
    .flatMap((service) =>
      (service.match.hosts ?? [service.match.host]).map((host) => ({
        service,
        host,
        conditions: conditionCheck({ ...service.match, hosts: [] }),
        asked: asked(service),
      })),
    )
    .toSorted(
      (a, b) =>
        hostRank(a.host) - hostRank(b.host) ||
        b.service.match.path.length - a.service.match.path.length ||
        b.asked - a.asked,
    );
}

function asked({ match: { headers = {}, query = {} } }: Service): number {
  return Object.keys(headers).length + Object.keys(query).length;
}

/** Names before wildcards before any; a longer wildcard is the nearer one. */
function hostRank(host: string | null): number {
  if (host === null) return 1;
  return host.startsWith("*.") ? -host.length : -1000;
}

/** `services` in match order. Without `facts` (a URL alone is known) what asks for fields or query is passed over. */
export function matchService(
  services: readonly ServiceEntry[],
  host: string | null,
  path: string,
  facts: RequestFacts | null = null,
): ServiceFound | null {
  for (const entry of services) {
    if (serviceFault(entry, host, path, facts) !== null) continue;
    return { service: entry.service, path: belowPrefix(strippedPrefix(entry.service.match), path) };
  }
  return null;
}

/** What a service's own paths stand below in public ones; "/": nothing. */
export function strippedPrefix({ path, strip }: ServiceMatch): string {
  return strip === false ? "/" : path;
}

/** Why a request is not this service's; null: it is. */
export function serviceFault(
  { service, host: wanted, conditions }: ServiceEntry,
  host: string | null,
  path: string,
  facts: RequestFacts | null,
): Exclude<RouteFault, "method"> | null {
  if (wanted !== null && !coversHost(wanted, host) && !isAlias(service, wanted, host)) return "host";
  if (!coversPath(service.match.path, path)) return "path";
  if (conditions === null) return null;
  return facts === null ? "facts unknown" : conditions(facts);
}

function isAlias({ hostAliases }: Service, wanted: string, host: string | null): boolean {
  return host !== null && hostAliases.get(host) === wanted;
}

interface RouteEntry {
  readonly route: Route;
  readonly methods: ReadonlySet<string> | null;
  readonly path: PathRule;
  readonly conditions: ConditionCheck | null;
}

/** Patterns are compiled once for each service of each snapshot. */
const tables = new WeakMap<Service, readonly RouteEntry[]>();

function tableOf(service: Service): readonly RouteEntry[] {
  let table = tables.get(service);
  if (table === undefined) {
    table = service.routes.map((route) => ({
      route,
      methods: route.match.methods.length === 0 ? null : new Set(route.match.methods),
      path: pathRule(route.match.path),
      conditions: conditionCheck(route.match),
    }));
    tables.set(service, table);
  }
  return table;
}

/**
 * The first route that matches, in the order of the file; null: plain proxying. `path` is below the service's prefix.
 * Without `facts` routes that ask for a host, a field or a parameter are passed over.
 */
export function matchRoute(
  service: Service,
  method: string,
  path: string,
  facts: RequestFacts | null = null,
): Route | null {
  for (const entry of tableOf(service))
    if (routeFault(entry, method, path, facts) === null) return entry.route;
  return null;
}

/** All routes that a request with this method and path can meet, whatever else they ask for. */
export function routesOfPath(service: Service, method: string, path: string): readonly Route[] {
  return tableOf(service).flatMap(({ route, methods, path: rule }) =>
    (methods === null || methods.has(method)) && rule.covers(path) ? [route] : [],
  );
}

/** Why a request does not meet each route; null: it meets it. The first of those is taken. */
export function routeFaults(
  service: Service,
  method: string,
  path: string,
  facts: RequestFacts,
): readonly { readonly route: Route; readonly fault: RouteFault | null }[] {
  return tableOf(service).map((entry) => ({
    route: entry.route,
    fault: routeFault(entry, method, path, facts),
  }));
}

export type RouteFault = ConditionFault | "method" | "path" | "facts unknown";

function routeFault(
  { methods, path: rule, conditions }: RouteEntry,
  method: string,
  path: string,
  facts: RequestFacts | null,
): RouteFault | null {
  if (methods !== null && !methods.has(method)) return "method";
  if (!rule.covers(path)) return "path";
  if (conditions === null) return null;
  return facts === null ? "facts unknown" : conditions(facts);
}
