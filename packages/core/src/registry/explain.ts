/** Which service and route a request meets, and why not the others. Pure; what `explain` prints. */
import { belowPrefix } from "../http/path.ts";
import type { RequestFacts } from "./conditions.ts";
import { inMatchOrder, routeFaults, serviceFault, strippedPrefix, type RouteFault } from "./match.ts";
import type { Route, Service } from "./service.ts";

export interface MatchLine<Of> {
  readonly of: Of;
  /** "taken", "matches later", or what the request lacks. */
  readonly outcome: "taken" | "later" | RouteFault;
}

export interface Explanation {
  /** In the order of look-up; a service with several hosts stands once, at its best. */
  readonly services: readonly MatchLine<Service>[];
  /** Of the service that is taken, in the order of the file. */
  readonly routes: readonly MatchLine<Route>[];
  readonly service: Service | null;
  /** null: proxied plainly, or no service. */
  readonly route: Route | null;
  /** As the service sees it; null: no service. */
  readonly path: string | null;
}

/** @param path normalised, from the public root */
export function explainMatch(
  services: readonly Service[],
  method: string,
  path: string,
  facts: RequestFacts,
): Explanation {
  const lines = new Map<Service, MatchLine<Service>["outcome"]>();
  let service: Service | null = null;
  for (const entry of inMatchOrder(services)) {
    const fault = serviceFault(entry, facts.host, path, facts);
    if (fault === null) {
      lines.set(entry.service, service === null || service === entry.service ? "taken" : "later");
      service ??= entry.service;
    } else if (!lines.has(entry.service)) lines.set(entry.service, fault);
  }
  const found = [...lines].map(([of, outcome]) => ({ of, outcome }));
  if (service === null) return { services: found, routes: [], service, route: null, path: null };
  const below = belowPrefix(strippedPrefix(service.match), path);
  let route: Route | null = null;
  const routes = routeFaults(service, method, below, facts).map(({ route: of, fault }) => {
    const outcome = fault ?? (route === null ? "taken" : "later");
    if (fault === null) route ??= of;
    return { of, outcome } as const;
  });
  return { services: found, routes, service, route, path: below };
}
