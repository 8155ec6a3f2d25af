import { isSafe } from "@sticky-proxy/protocol/http";
import { hasCache } from "@sticky-proxy/core/cache";
import { tellsOfChange } from "@sticky-proxy/engine";
import { cachedRequest, entryPointOf } from "../cache/cached-request.ts";
import { createFlights } from "../cache/flights.ts";
import { createHitCounter } from "../cache/hit-counter.ts";
import { purgeRequest } from "../cache/purge-request.ts";
import { withCacheFields } from "../cache/reply-fields.ts";
import { storedFromPost } from "../cache/store-post.ts";
import { serveCached } from "../cache/serve-cached.ts";
import type { CacheParts } from "../deps.ts";
import type { Middleware } from "../state.ts";

/**
 * The shared cache (RFC 9111). Reads state.service, route, serviceHead, client; answers GET and HEAD of cached routes,
 * and drops what unsafe requests to the same service change before their answer goes out.
 */
export function cache(deps: CacheParts): Middleware {
  const flights = createFlights(deps);
  const hits = createHitCounter(deps);
  return async function cache(ctx, next) {
    const { state } = ctx;
    const { service, route, serviceHead } = state;
    if (service === null || !hasCache(service)) return next();
    const { method } = serviceHead;
    const at = entryPointOf(state);
    if (method === "PURGE" && deps.purgeToken !== null) return purgeRequest(deps, ctx, service, at);
    const policy = route?.cache ?? null;
    if (!isSafe(method)) {
      await next();
      const { reply } = state;
      if (reply === null || !tellsOfChange(reply)) return;
      await deps.invalidation.afterUnsafe(service, serviceHead, reply, at);
      if (route === null || policy === null) return;
      const request = cachedRequest(state, service, route, policy);
      const sent = method === "POST" ? await storedFromPost(deps, request, reply, at) : reply;
      deps.observe.result(route.name, "BYPASS");
      const told = { result: "BYPASS", source: "service", fwd: "method", stored: sent !== reply } as const;
      state.reply = withCacheFields(sent, told);
      return;
    }
    if (route === null || policy === null || (method !== "GET" && method !== "HEAD")) return next();
    const request = cachedRequest(state, service, route, policy);
    return serveCached({ ...deps, flights, hits }, ctx, next, request, (key) =>
      deps.invalidation.isTrusted(key),
    );
  };
}
