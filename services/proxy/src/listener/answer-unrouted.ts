/** Answers requests that do not reach the chain: those refused by strict-request, and OPTIONS of the whole server. */
import type { IncomingMessage, ServerResponse } from "node:http";

import { headerList } from "@sticky-proxy/core/http";
import { fields, type Problem } from "@sticky-proxy/protocol";

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

/** Longest path that a line about a refusal shows. */
const maxShown = 256;

/** As it came, without query or fragment, which may hold secrets, and without user and password. */
export function shownPath(target: string): string {
  const path = target.replace(/[?#].*$/s, "").replace(/^([a-z]+:\/\/)[^/@]*@/i, "$1");
  return path.length > maxShown ? `${path.slice(0, maxShown)}…` : path;
}

/** A request that the parser refused: what can be read of its request line stands in the log. */
export function logUnparsed(
  log: ProxyDeps["log"],
  problem: Problem,
  client: string,
  packet: Buffer | null,
  requestId: string,
): void {
  if (!log.isOn("info")) return;
  const line = /^(?:\r?\n)*([A-Za-z-]{1,32}) ([^ \r\n]{1,2048})/.exec(
    packet?.toString("latin1", 0, 4096) ?? "",
  );
  log.info("request.refused", {
    requestId,
    client: client === "" ? null : client,
    method: line?.[1] ?? null,
    path: line === null ? null : shownPath(line[2]!),
    status: problem.status,
    problem: problem.slug,
  });
}

export function answerUnrouted(
  { log, settings }: Pick<ProxyDeps, "log" | "settings">,
  gate: Gate,
  result: Exclude<StrictResult, { readonly kind: "received" }>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { requestId } = result;
  const refused = result.kind === "refused" ? result.problem : null;
  const { pseudonym } = settings;
  const answer =
    refused === null
      ? serverOptions
      : problemReply(refused, { requestId, pseudonym, headers: headerList(request.rawHeaders) });
  const unread =
    request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"]) > 0;
  if (result.kind === "refused" && log.isOn("info")) {
    log.info("request.refused", {
      requestId,
      client: result.client,
      method: request.method,
      path: shownPath(request.url ?? ""),
      status: result.problem.status,
      problem: result.problem.slug,
      detail: result.problem.message,
    });
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
