import { hasCache, isKeyed } from "@sticky-proxy/core/cache";
import type { Service } from "@sticky-proxy/core/registry";
import { tellsOfChange } from "@sticky-proxy/engine";
import { isSafe } from "@sticky-proxy/protocol/http";
import { cachedRequest, entryPointOf } from "../cache/cached-request.ts";
import { createFlights } from "../cache/flights.ts";
import { createHitCounter } from "../cache/hit-counter.ts";
import { purgeRequest } from "../cache/purge-request.ts";
import { withCacheFields } from "../cache/reply-fields.ts";
import { storedFromPost } from "../cache/store-post.ts";
import { serveCached } from "../cache/serve-cached.ts";
import type { CacheParts } from "../deps.ts";
import type { Middleware, ProxyState } from "../state.ts";

/**
 * The shared cache (RFC 9111). Reads state.service, route, client; reads and writes state.serviceHead; answers GET and HEAD of cached routes,
 * and invalidates what an unsafe request to the same service changed before its response is written.
 */
export function cache(deps: CacheParts): Middleware {
  const flights = createFlights(deps);
  const hits = createHitCounter(deps);
  return async function cache(ctx, next) {
    const { state } = ctx;
    const { service, route, serviceHead } = state;
    if (service === null || !hasCache(service)) return next();
    const { method } = serviceHead;
    if (method === "PURGE" && deps.purge !== null) {
      return purgeRequest(deps, ctx, service, entryPointOf(state));
    }
    if (!isSafe(method)) {
      await next();
      return afterUnsafe(deps, state, service);
    }
    const policy = route?.cache ?? null;
    if (route === null || policy === null || (method !== "GET" && method !== "HEAD")) return next();
    const request = cachedRequest(state, service, route, policy);
    state.serviceHead = request.head; // what goes past the cache, or to a secondary, is the same request
    const isTrusted = await deps.invalidation.isTrusted(request.key);
    return serveCached({ ...deps, flights, hits }, ctx, next, request, isTrusted);
  };
}

/** Invalidates (RFC 9111 4.4), and stores a POST's response where it may answer later GETs. */
async function afterUnsafe(deps: CacheParts, state: ProxyState, service: Service): Promise<void> {
  const { route, serviceHead, reply } = state;
  if (reply === null || !tellsOfChange(reply)) return;
  await deps.invalidation.afterUnsafe(service, serviceHead, reply, entryPointOf(state));
  const policy = route?.cache ?? null;
  if (route === null || policy === null) return;
  const request = cachedRequest(state, service, route, policy);
  const mayStore = serviceHead.method === "POST" && isKeyed(serviceHead, policy);
  const sent = mayStore ? await storedFromPost(deps, request, reply, entryPointOf(state)) : reply;
  deps.observe.result({ service: service.name, route: route.name }, "BYPASS");
  state.reply = withCacheFields(sent, {
    result: "BYPASS",
    source: "service",
    fwd: "method",
    stored: sent !== reply,
  });
}
