/** What the handlers of the gateway's own resources need of a Koa context. */
import { headerList, type HeaderList } from "@sticky-proxy/core/http";
import { fields } from "@sticky-proxy/protocol";
import type { Context } from "koa";
import { readBytes } from "../middleware/read-body.ts";
import type { Reply } from "../reply.ts";
import type { ProxyContext, ProxyState } from "../state.ts";

/** A context whose path a router has matched. */
export type RouteContext = Context & { params: Record<string, string> };

/** The request's field lines, with names and order as received. */
export function linesOf(ctx: Context): HeaderList {
  return headerList(ctx.req.rawHeaders);
}

/** Whose budgets the call uses up. */
export function holderOf(ctx: Context): string {
  return (ctx.state as ProxyState).client.holder;
}

/** @throws Problem payload-too-large: the body has more than `maxBytes` */
export function readBody(ctx: Context, maxBytes: number): Promise<Uint8Array> {
  return readBytes(ctx as unknown as ProxyContext, maxBytes);
}

/** Aborts when the client is gone or `draining` aborts. */
export function endOf(ctx: Context, draining: AbortSignal): AbortSignal {
  return AbortSignal.any([(ctx.state as ProxyState).gone, draining]);
}

/** Sets the reply; adds `Sticky-Source: gateway` unless the reply names another source. */
export function setReply(ctx: Context, reply: Reply): void {
  const namesSource = reply.headers.some(([name]) => name === fields.stickySource);
  (ctx.state as ProxyState).reply = namesSource
    ? reply
    : { ...reply, headers: [...reply.headers, [fields.stickySource, "gateway"]] };
}
