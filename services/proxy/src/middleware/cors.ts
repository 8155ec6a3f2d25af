import { isPreflight, preflightFields, withCors, type CorsPolicy } from "@sticky-proxy/core/http";
import { fields, Problem } from "@sticky-proxy/protocol";

import type { ProxySettings } from "../deps.ts";
import type { Middleware, ProxyState } from "../state.ts";

type CorsSettings = Pick<ProxySettings, "cors">;

/** Every reply, problems and 202 too, carries the fields of its CORS policy. Reads state.service; changes state.reply. */
export function cors(settings: CorsSettings): Middleware {
  return async function cors({ state }, next) {
    await next();
    const policy = policyOf(settings, state);
    if (policy === null || state.reply === null) return;
    state.reply = { ...state.reply, headers: withCors(state.reply.headers, policy, state.head.headers) };
  };
}

/**
 * Answers a browser's preflight by the policy, before anybody asks whose request it is: it carries neither key nor
 * credential. Without a policy it is the service's to answer. Reads state.service; sets state.reply.
 */
export function preflight(settings: CorsSettings): Middleware {
  return function preflight({ state }, next) {
    const policy = policyOf(settings, state);
    const { method, headers } = state.head;
    if (policy === null || !isPreflight(method, headers)) return next();
    const allowed = preflightFields(policy, headers);
    if (allowed === null)
      throw new Problem("forbidden", { detail: "The CORS policy does not allow this origin." });
    state.reply = { status: 204, headers: [...allowed, [fields.stickySource, "gateway"]], body: null };
    return Promise.resolve();
  };
}

function policyOf({ cors: own }: CorsSettings, { head, service }: ProxyState): CorsPolicy | null {
  return head.path.startsWith("/_sticky/") ? own : (service?.cors ?? null);
}
