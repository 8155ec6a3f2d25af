import { randomFillSync } from "node:crypto";

import {
  headerJoined,
  headerLines,
  isTraceparent,
  isTracestate,
  type HeaderLine,
  type RequestHead,
} from "@sticky-proxy/core/http";
import { fields } from "@sticky-proxy/protocol";

import type { Middleware } from "../state.ts";

export interface Trace {
  /** Lines on every request of this exchange to a service. */
  readonly lines: readonly HeaderLine[];
  readonly traceparent: string;
}

/** Keeps a valid traceparent or begins a trace. Reads state.head; writes state.trace, state.traceparent. */
export function traceContext(): Middleware {
  return function traceContext(ctx, next) {
    const { lines, traceparent } = traceOf(ctx.state.head, ctx.state.requestId);
    ctx.state.trace = lines;
    ctx.state.traceparent = traceparent;
    return next();
  };
}

export function traceOf({ headers }: RequestHead, requestId: string): Trace {
  const given = headerLines(headers, "traceparent");
  const kept = given.length === 1 && isTraceparent(given[0]!) ? given[0]! : null;
  const traceparent = kept ?? newTraceparent();
  const lines: HeaderLine[] = [
    [fields.xRequestId, requestId],
    ["traceparent", traceparent],
  ];
  const tracestate = kept === null ? null : headerJoined(headers, "tracestate");
  if (tracestate !== null && isTracestate(tracestate)) lines.push(["tracestate", tracestate]);
  return { lines, traceparent };
}

/** One call of the random source fills many ids: it costs more than the rest of this step. */
const idBytes = 24;
const pool = Buffer.alloc(idBytes * 128);
let used = pool.length;

/** Not sampled: whether to record is the service's own decision. */
function newTraceparent(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const ids = pool.toString("hex", used, used + idBytes);
  used += idBytes;
  return `00-${ids.slice(0, 32)}-${ids.slice(32)}-00`;
}
