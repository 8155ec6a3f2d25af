/** The registry's snapshot in the order of look-up; sorted again only when the snapshot is another one. */
import {
  fieldsNamedBy,
  inMatchOrder,
  matchRoute,
  matchService,
  strippedPrefix,
  type Route,
  type Service,
  type ServiceEntry,
} from "@sticky-proxy/core/registry";
import { isSpeltAlike, withoutNominated, type RequestHead } from "@sticky-proxy/core/http";

import type { Received } from "../state.ts";

export interface Found {
  readonly service: Service;
  readonly route: Route | null;
  /** As the service sees it: path below the service's prefix, without what Connection makes hop-by-hop. */
  readonly serviceHead: RequestHead;
}

const plainRoutes = new WeakMap<Route, Route>();

/** OPTIONS asks what the resource can do and runs nothing (RFC 9110 9.3.7); a browser's preflight carries no key. */
function plain(route: Route): Route {
  if (route.process === null && route.mirror === null && route.bodySchema === null) return route;
  let found = plainRoutes.get(route);
  if (found === undefined) {
    found = { ...route, process: null, mirror: null, bodySchema: null };
    plainRoutes.set(route, found);
  }
  return found;
}

/** null: no service takes this host and path. */
export type FindService = (received: Pick<Received, "head" | "host" | "receivedPath">) => Found | null;

export function serviceFinder(services: () => readonly Service[]): FindService {
  let snapshot: readonly Service[] | null = null;
  let ordered: readonly ServiceEntry[] = [];
  return ({ head, host, receivedPath }) => {
    const current = services();
    if (current !== snapshot) {
      snapshot = current;
      ordered = inMatchOrder(current);
    }
    const facts = { host, query: head.query, headers: head.headers };
    const found = matchService(ordered, host, head.path, facts);
    if (found === null) return null;
    const { service, path } = found;
    const matched = matchRoute(service, head.method, path, facts);
    const route = matched !== null && head.method === "OPTIONS" ? plain(matched) : matched;
    // A service that takes every path and has no policy for this one gets the path octet for octet (RFC 9110 7.7).
    const untouched = route === null && strippedPrefix(service.match) === "/" && isSpeltAlike(receivedPath);
    const headers = withoutNominated(head.headers, fieldsNamedBy(service));
    return { service, route, serviceHead: { ...head, path: untouched ? receivedPath : path, headers } };
  };
}
