import { fields } from "@sticky-proxy/protocol";

import { writeReply } from "../listener/write-reply.ts";
import type { Gate } from "../listener/begin.ts";
import type { ProxyDeps } from "../deps.ts";
import type { Middleware } from "../state.ts";
import { replyToError } from "./problems.ts";

/**
 * The outermost step and the only one that writes a final response: state.reply, with X-Request-Id. A reply that cannot
 * be written (a field that Node refuses) becomes internal-error while nothing is out. Resolves when the response ended.
 */
export function write(deps: ProxyDeps, gate: Gate): Middleware {
  const { writeIdleMs } = deps.settings.limits;
  return async function write(ctx, next) {
    await next();
    const { state, req, res } = ctx;
    try {
      await send();
    } catch (error) {
      const body = state.reply?.body ?? null;
      if (body !== null && !(body instanceof Uint8Array)) body.destroy();
      // A part of the response is out: a broken connection is the only end that does not look complete.
      if (res.headersSent) {
        res.destroy();
        return;
      }
      state.reply = replyToError(deps, state, error);
      await send();
    }

    function send(): Promise<void> {
      const { reply, client, hasBody, requestId } = state;
      if (reply === null) throw new Error("No step answered the request.");
      const unread = hasBody && !req.complete;
      // A streamed answer may come while the upload goes on; only a finished answer gives the rest up.
      const early = unread && (reply.body === null || reply.body instanceof Uint8Array);
      const headers = [...reply.headers, [fields.xRequestId, requestId]] as const;
      // RFC 9112 9.3: an intermediary keeps no connection with an HTTP/1.0 client.
      const isLast = gate.draining || client.httpVersion === "1.0" || early || state.awaitsContinue();
      return writeReply(
        req,
        res,
        { ...reply, headers },
        {
          close: isLast || reply.close === true,
          unread: early,
          writeIdleMs,
          trailers: reply.trailers ?? null,
        },
      );
    }
  };
}
