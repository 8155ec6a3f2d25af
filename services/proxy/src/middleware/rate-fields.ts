import { headerValue } from "@sticky-proxy/core/http";
import { fields } from "@sticky-proxy/protocol";
import { standingFields } from "../authentication/rates.ts";
import type { Middleware } from "../state.ts";

/**
 * The gateway's own answers tell their caller how many requests it has left; what a service says stays its own.
 * Reads state.standing; changes state.reply.
 */
export function rateFields(): Middleware {
  return async function rateFields({ state }, next) {
    await next();
    const { reply, standing } = state;
    if (reply === null || standing === null) return;
    const isOurs = headerValue(reply.headers, fields.stickySource.toLowerCase()) === "gateway";
    if (!isOurs || headerValue(reply.headers, "ratelimit") !== null) return;
    state.reply = { ...reply, headers: [...reply.headers, ...Object.entries(standingFields(standing))] };
  };
}
