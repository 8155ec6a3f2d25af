/** Answers requests that do not reach the chain: those refused by strict-request, and OPTIONS of the whole server. */
import type { IncomingMessage, ServerResponse } from "node:http";

import { fields } from "@sticky-proxy/protocol";

import type { ProxyDeps } from "../deps.ts";
import type { Reply } from "../reply.ts";
import type { Gate } from "./begin.ts";
import { problemReply } from "./problem-reply.ts";
import { allowedMethods, type StrictResult } from "./strict-request.ts";
import { writeReply } from "./write-reply.ts";

/** Response to `OPTIONS *` (RFC 9110 9.3.7). */
const serverOptions: Reply = {
  status: 200,
  headers: [
    ["Allow", allowedMethods],
    [fields.stickySource, "gateway"],
  ],
  body: null,
};

export function answerUnrouted(
  { log, settings }: Pick<ProxyDeps, "log" | "settings">,
  gate: Gate,
  result: Exclude<StrictResult, { readonly kind: "received" }>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { requestId } = result;
  const refused = result.kind === "refused" ? result.problem : null;
  const answer = refused === null ? serverOptions : problemReply(refused, requestId, settings.pseudonym);
  const unread =
    request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"]) > 0;
  if (refused !== null && log.isOn("info")) {
    log.info("request.refused", { requestId, problem: refused.slug, detail: refused.message });
  }
  void writeReply(
    request,
    response,
    { ...answer, headers: [...answer.headers, [fields.xRequestId, requestId]] },
    {
      close: gate.draining || unread || request.httpVersion === "1.0" || refused?.options.close === true,
      unread,
      writeIdleMs: settings.limits.writeIdleMs,
      trailers: null,
    },
  );
}
