/** A problem as a response (RFC 9457), for Koa, for the bare server, and as bytes for a socket without a response. */
import { STATUS_CODES } from "node:http";

import type { HeaderLine } from "@sticky-proxy/core/http";
import {
  fields,
  formatProxyStatus,
  problemBody,
  usualEnvelope,
  type ErrorEnvelope,
  type Problem,
} from "@sticky-proxy/protocol";
import { formatHttpDate } from "@sticky-proxy/protocol/http";

import type { Reply } from "../reply.ts";

export interface ProblemReply extends Reply {
  readonly body: Uint8Array;
}

/** `pseudonym` names the gateway in Proxy-Status (RFC 9209); requestId null: the head could not be parsed.
 * `envelope`: the service's. X-Request-Id is added by whoever sends it. */
export function problemReply(
  problem: Problem,
  requestId: string | null,
  pseudonym: string,
  envelope: ErrorEnvelope = usualEnvelope,
): ProblemReply {
  const lines: HeaderLine[] = [
    ["Content-Type", "application/problem+json"],
    ["Cache-Control", "no-store"],
  ];
  const { headers, proxyStatus } = problem.options;
  if (headers === undefined || !Object.hasOwn(headers, fields.stickySource)) {
    lines.push([fields.stickySource, "gateway"]);
  }
  if (proxyStatus !== undefined) {
    lines.push([fields.proxyStatus, formatProxyStatus({ proxy: pseudonym, error: proxyStatus })]);
  }
  for (const [name, value] of Object.entries(headers ?? {})) lines.push([name, value]);
  return {
    status: problem.status,
    headers: lines,
    body: Buffer.from(JSON.stringify(problemBody(problem, requestId, envelope))),
  };
}

/** The serialised response of a connection that is closed after it. `withBody` false: the request was HEAD. */
export function problemBytes(reply: ProblemReply, now: Date): Buffer {
  const lines = reply.headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head =
    `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ""}\r\n${lines}` +
    `Date: ${formatHttpDate(now.getTime())}\r\nContent-Length: ${reply.body.byteLength}\r\nConnection: close\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), reply.body]);
}
