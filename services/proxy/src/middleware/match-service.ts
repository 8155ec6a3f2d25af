import { Problem } from "@sticky-proxy/protocol";

import type { FindService } from "./service-finder.ts";
import type { Middleware } from "../state.ts";

/** Finds the service and the route. Reads state.head, state.host; writes state.service, state.route, state.serviceHead. */
export function matchServiceStep(find: FindService): Middleware {
  return function matchServiceStep(ctx, next) {
    const found = find(ctx.state);
    if (found === null) throw new Problem("service-not-found");
    ctx.state.service = found.service;
    ctx.state.route = found.route;
    ctx.state.serviceHead = found.serviceHead;
    return next();
  };
}
