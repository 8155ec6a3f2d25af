import type { ProxyDeps } from "../deps.ts";
import { accessFields } from "../listener/access-fields.ts";
import type { Middleware } from "../state.ts";
import { isReserved } from "./reserved.ts";

/** One line and one observation per request, when its response has ended. Reads all of state; the path without its query. */
export function accessLog({ log, onRequest }: ProxyDeps): Middleware {
  return function accessLog(ctx, next) {
    const startedAt = performance.now();
    const { req, res, state } = ctx;
    const { socket } = req;
    const writtenBefore = socket.bytesWritten;
    res.once("close", () => {
      const durationMs = performance.now() - startedAt;
      // The step above has written the reply by now, or one in its place; null: nobody was left to read it.
      const status = res.headersSent ? (state.reply?.status ?? null) : null;
      const service = state.service?.name ?? null;
      const route = state.route?.name ?? null;
      const { method, path } = state.head;
      const requestBytes = state.bodyLength ?? state.declaredLength;
      const responseBytes = socket.bytesWritten - writtenBefore;
      onRequest?.({
        service,
        route,
        isOwn: isReserved(path),
        method,
        status,
        durationMs,
        requestBytes,
        responseBytes,
      });
      if (!log.isOn("info")) return;
      const bytesIn = requestBytes ?? state.seen.streamed?.() ?? 0;
      log.info("request", {
        ...accessFields(state, { status, durationMs, bytesIn, bytesOut: responseBytes }),
        ...(res.writableFinished ? {} : { cut: true }),
        ...state.logFields,
      });
    });
    return next();
  };
}
