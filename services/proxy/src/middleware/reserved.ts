import type Router from "@koa/router";
import { isCrossSite } from "@sticky-proxy/core/http";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import { Problem } from "@sticky-proxy/protocol";
import { isSafe } from "@sticky-proxy/protocol/http";

import type { ProxySettings } from "../deps.ts";
import type { BodyRooms } from "../listener/body-rooms.ts";
import type { Middleware, ProxyContext, ProxyState } from "../state.ts";
import { preflight } from "./cors.ts";

const prefix = "/_sticky/";

/** Whether the path is the gateway's own. */
export function isReserved(path: string): boolean {
  return path.startsWith(prefix);
}

/**
 * The gateway's own resources: they never reach a service, and no page of another site changes anything through them.
 * Reads state.head; the routes set state.reply.
 */
export function reserved(
  routers: readonly Router[],
  settings: Pick<ProxySettings, "cors" | "ownHosts">,
  rooms: BodyRooms,
): Middleware {
  const answerPreflight = preflight(settings);
  return async function reserved(ctx, next) {
    if (!isReserved(ctx.state.head.path)) return next();
    return answerPreflight(ctx, () => routeWithRoom(ctx));
  };

  async function routeWithRoom(ctx: ProxyContext): Promise<void> {
    const room = rooms.open(ctx.state.client.holder);
    ctx.state.room = room;
    try {
      await route(ctx);
    } finally {
      room.keep(0);
    }
  }

  async function route(ctx: ProxyContext): Promise<void> {
    refuseCrossSite(settings, ctx.state);
    const allowed = new Set<string>();
    for (const router of routers) {
      const found = router.match(ctx.state.head.path, ctx.method);
      if (found.route) {
        // The router dispatches by the path that was matched, not by the octets as they came (RFC 3986 6.2.2). Its own
        // context type is Koa's, without our state.
        Object.assign(ctx, { newRouterPath: ctx.state.head.path });
        try {
          await router.routes()(ctx as never, async () => undefined);
        } catch (error) {
          throw error instanceof StoreUnavailable ? storeAway(error) : error;
        }
        return;
      }
      for (const layer of found.path) for (const method of layer.methods) allowed.add(method);
    }
    if (allowed.size > 0) {
      throw new Problem("method-not-allowed", { headers: { Allow: [...allowed].sort().join(", ") } });
    }
    throw new Problem("service-not-found", { detail: "The gateway has no such resource." });
  }
}

/** @throws Problem csrf-rejected: a page of another site asks for a change */
function refuseCrossSite(
  { cors, ownHosts }: Pick<ProxySettings, "cors" | "ownHosts">,
  { head, client }: ProxyState,
): void {
  if (isSafe(head.method) || !isCrossSite(head.headers, [client.host, ...ownHosts], cors)) return;
  throw new Problem("csrf-rejected", { detail: "A page of another site asks for a change." });
}

/** A report or a cancel without an answer may still take effect: come again, it is idempotent. */
function storeAway(cause: StoreUnavailable): Problem {
  return new Problem("store-unavailable", { executed: "unknown", headers: { "Retry-After": "1" }, cause });
}
