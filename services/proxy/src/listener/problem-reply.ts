/** A problem as a response (RFC 9457), JSON or a page, for Koa, for the bare server, and as bytes for a socket without a response. */
import { STATUS_CODES } from "node:http";

import type { HeaderLine, HeaderList } from "@sticky-proxy/core/http";
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
import { pageFields, prefersPage, problemPage } from "./problem-page.ts";

const jsonFields: readonly HeaderLine[] = [["Content-Type", "application/problem+json"]];

export interface ProblemReply extends Reply {
  readonly body: Uint8Array;
}

export interface ProblemFor {
  readonly requestId: string;
  /** The gateway's name in Proxy-Status (RFC 9209). */
  readonly pseudonym: string;
  /** The request's fields, by which a person's browser gets a page; null: they could not be parsed. */
  readonly headers: HeaderList | null;
  /** The service's. */
  readonly envelope?: ErrorEnvelope;
}

/** X-Request-Id is added by whoever sends it. */
export function problemReply(
  problem: Problem,
  { requestId, pseudonym, headers: asked, envelope = usualEnvelope }: ProblemFor,
): ProblemReply {
  const isPage = asked !== null && prefersPage(asked);
  const lines: HeaderLine[] = [...(isPage ? pageFields : jsonFields), ["Cache-Control", "no-store"]];
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
    body: isPage
      ? problemPage(problemBody(problem, requestId))
      : Buffer.from(JSON.stringify(problemBody(problem, requestId, envelope))),
  };
}

/** The serialised response of a connection that is closed after it. */
export function problemBytes(reply: ProblemReply, requestId: string, now: Date): Buffer {
  const lines = reply.headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head =
    `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ""}\r\n${lines}` +
    `${fields.xRequestId}: ${requestId}\r\nDate: ${formatHttpDate(now.getTime())}\r\nContent-Length: ${reply.body.byteLength}\r\nConnection: close\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), reply.body]);
}
