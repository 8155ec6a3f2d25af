import { processId } from "@sticky-proxy/core/process";
import { Problem } from "@sticky-proxy/protocol";

import { informational } from "../listener/informational.ts";
import type { SubmitDeps } from "../submit/submission.ts";
import { submit } from "../submit/submit.ts";
import type { Middleware } from "../state.ts";
import type { Gate } from "../listener/begin.ts";

const empty = new Uint8Array(0);

/**
 * Joins a request to its process or starts one. Reads state.options, state.service, state.route, state.body; writes
 * state.verdict, state.reply. Without options the request goes on to be proxied plainly.
 */
export function stickyProcess(deps: SubmitDeps, gate: Gate): Middleware {
  return async function stickyProcess(ctx, next) {
    const { state, res } = ctx;
    const { options, service, route, body, client } = state;
    if (options === null || service === null || route === null) {
      if (service !== null && route?.process) deps.onVerdict(service.name, "bypass");
      return next();
    }
    if (gate.draining) {
      throw new Problem("draining", { service: service.name, headers: { "Retry-After": "1" }, close: true });
    }
    state.acceptBody();
    state.reply = await submit(deps, {
      service,
      route,
      principal: state.principal,
      host: client.host,
      options,
      head: state.serviceHead,
      body: body instanceof Uint8Array ? body : empty,
      extra: state.trace,
      traceparent: state.traceparent,
      client,
      gone: state.gone,
      seen: state.seen,
      onInformational: (status, headers) => informational(res, client.httpVersion, status, headers),
      onBegun: (record, verdict) => {
        state.logFields["processId"] = processId(record);
        state.logFields["verdict"] = state.verdict = verdict;
      },
    });
  };
}
