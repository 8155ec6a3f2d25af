import { tunnelledMethod } from "@sticky-proxy/core/http";
import { Problem } from "@sticky-proxy/protocol";

import type { Middleware } from "../state.ts";

/**
 * Refuses a tunnelled method where the gateway decides by the method: the service would run another one than was
 * fingerprinted, stored or answered from the cache. Elsewhere the field goes on to the service. Reads state.head,
 * state.route, state.options.
 * @throws Problem malformed-request
 */
export function methodOverride(): Middleware {
  return function methodOverride(ctx, next) {
    const { head, route, options } = ctx.state;
    const decides = route?.cache != null || (options !== null && !options.isPlain);
    if (decides && tunnelledMethod(head) !== null)
      throw new Problem("malformed-request", {
        detail: `This route does not take a method in X-HTTP-Method-Override: send the request with the method that it means.`,
      });
    return next();
  };
}
