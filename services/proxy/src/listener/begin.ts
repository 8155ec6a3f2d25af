/** Turns what the bare server received into the state of the chain. */
import type { IncomingMessage } from "node:http";

import { type Problem, fields } from "@sticky-proxy/protocol";

import type { ProxyDeps } from "../deps.ts";
import type { Middleware, ProxyState, Received } from "../state.ts";
import { writeReply } from "./write-reply.ts";

export interface Gate {
  /** Every answer closes its connection. */
  readonly draining: boolean;
}

/** Writes all of ctx.state. Responses go out past Koa (write-reply.ts), so `ctx.respond` is off. */
export function begin(received: WeakMap<IncomingMessage, Received>, deps: ProxyDeps, gate: Gate): Middleware {
  const { writeIdleMs } = deps.settings.limits;
  return function begin(ctx, next) {
    ctx.respond = false;
    const { req, res } = ctx;
    const from = received.get(req)!;
    const gone = new AbortController();
    let waitsForContinue = from.expectsContinue && from.hasBody;
    // RFC 9112 9.3: an intermediary keeps no connection with an HTTP/1.0 client.
    const once = from.client.httpVersion === "1.0";
    res.once("close", () => {
      if (!res.writableFinished) gone.abort();
    });
    const state: ProxyState = {
      ...from,
      gone: gone.signal,
      trace: [],
      traceparent: "",
      service: null,
      route: null,
      serviceHead: from.head,
      wishes: null,
      verdict: null,
      body: null,
      bodyLength: null,
      logFields: {},
      acceptBody() {
        if (waitsForContinue) res.writeContinue(); // its turn has come: pipeline.ts
        waitsForContinue = false;
      },
      giveUp(problem: Problem) {
        gone.abort(problem);
      },
      send(reply, options) {
        const unread = from.hasBody && !req.complete;
        // A streamed answer may come while the upload goes on; only a finished answer gives the rest up.
        const early = unread && (reply.body === null || reply.body instanceof Uint8Array);
        const headers = [...reply.headers, [fields.xRequestId, from.requestId]] as const;
        return writeReply(
          req,
          res,
          { ...reply, headers },
          {
            close: gate.draining || once || early || waitsForContinue || options?.close === true,
            unread: early,
            writeIdleMs,
            trailers: options?.trailers ?? null,
          },
        );
      },
    };
    ctx.state = state;
    return next();
  };
}
