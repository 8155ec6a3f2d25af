import { randomBytes } from "node:crypto";

import { headerJoined, headerLines, isTraceparent, isTracestate } from "@sticky-proxy/core";
import type { HeaderLine } from "@sticky-proxy/core";
import { fields } from "@sticky-proxy/protocol";

import type { Middleware } from "../state.ts";

/** Keeps a valid traceparent or begins a trace. Reads state.head; writes state.trace, state.traceparent. */
export function traceContext(): Middleware {
  return function traceContext(ctx, next) {
    const { head, requestId } = ctx.state;
    const given = headerLines(head.headers, "traceparent");
    const kept = given.length === 1 && isTraceparent(given[0]!) ? given[0]! : null;
    const traceparent = kept ?? newTraceparent();
    const trace: HeaderLine[] = [
      [fields.xRequestId, requestId],
      ["traceparent", traceparent],
    ];
    const tracestate = kept === null ? null : headerJoined(head.headers, "tracestate");
    if (tracestate !== null && isTracestate(tracestate)) trace.push(["tracestate", tracestate]);
    ctx.state.trace = trace;
    ctx.state.traceparent = traceparent;
    return next();
  };
}

/** Not sampled: whether to record is the service's own decision. */
function newTraceparent(): string {
  const ids = randomBytes(24).toString("hex");
  return `00-${ids.slice(0, 32)}-${ids.slice(32)}-00`;
}
