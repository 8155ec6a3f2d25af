/** Turns what the bare server received into the state of the chain. */
import type { IncomingMessage } from "node:http";

import { nobody } from "@sticky-proxy/core/principal";
import type { Problem } from "@sticky-proxy/protocol";

import type { Middleware, ProxyState, Received } from "../state.ts";

export interface Gate {
  /** Every response closes its connection. */
  readonly draining: boolean;
}

/** Sets all of ctx.state. middleware/write.ts writes responses without Koa, so `ctx.respond` is off. */
export function begin(received: WeakMap<IncomingMessage, Received>): Middleware {
  return function begin(ctx, next) {
    ctx.respond = false;
    const { req, res } = ctx;
    const from = received.get(req)!;
    const gone = new AbortController();
    let waitsForContinue = from.expectsContinue && from.hasBody;
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
      room: null,
      standing: null,
      principal: nobody,
      proof: { kind: "absent" },
      options: null,
      verdict: null,
      body: null,
      bodyLength: null,
      onStream: null,
      reply: null,
      seen: { attempts: 0, instance: null, failed: null, streamed: null },
      logFields: {},
      acceptBody() {
        if (waitsForContinue) res.writeContinue(); // its turn has come: pipeline.ts
        waitsForContinue = false;
      },
      giveUp(problem: Problem) {
        gone.abort(problem);
      },
      awaitsContinue: () => waitsForContinue,
    };
    ctx.state = state;
    return next();
  };
}
