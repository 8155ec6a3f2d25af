import { inMatchOrder, matchRoute, matchService } from "@sticky-proxy/core";
import type { Service } from "@sticky-proxy/core";
import { Problem } from "@sticky-proxy/protocol";

import type { ProxyDeps } from "../deps.ts";
import type { Middleware } from "../state.ts";

/** Finds the service and the route. Reads state.head, state.host; writes state.service, state.route, state.serviceHead. */
export function matchServiceStep({ services }: ProxyDeps): Middleware {
  let snapshot: readonly Service[] | null = null;
  let ordered: readonly Service[] = [];
  return function matchServiceStep(ctx, next) {
    const { head, host, receivedPath } = ctx.state;
    const current = services();
    if (current !== snapshot) {
      snapshot = current;
      ordered = inMatchOrder(current);
    }
    const found = matchService(ordered, host, head.path);
    if (found === null) throw new Problem("service-not-found");
    const { service, path } = found;
    const route = matchRoute(service, head.method, path);
    ctx.state.service = service;
    ctx.state.route = route;
    // A service that takes every path and has no policy for this one gets the path octet for octet (RFC 9110 7.7).
    const untouched = route === null && service.match.path === "/";
    ctx.state.serviceHead = { ...head, path: untouched ? receivedPath : path };
    return next();
  };
}
