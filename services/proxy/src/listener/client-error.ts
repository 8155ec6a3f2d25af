/** Responds on a connection whose request could not be parsed, and closes it: the start of a next request is unknown. */
import { randomUUID } from "node:crypto";

import { looksProxied } from "@sticky-proxy/core/http";
import { tokenCharacters } from "@sticky-proxy/protocol/http";
import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

import { Problem, type ProblemSlug } from "@sticky-proxy/protocol";

import { endLinger } from "./write-reply.ts";
import { problemBytes, problemReply } from "./problem-reply.ts";

/** Problems by error code of Node and of its parser; every other code is malformed-request. */
const slugs: ReadonlyMap<string, ProblemSlug> = new Map([
  ["HPE_HEADER_OVERFLOW", "headers-too-large"],
  ["ERR_HTTP_REQUEST_TIMEOUT", "request-timeout"],
  ["HPE_CHUNK_EXTENSIONS_OVERFLOW", "payload-too-large"],
  ["HPE_INVALID_METHOD", "not-implemented"],
  ["HPE_INVALID_VERSION", "version-not-supported"],
]);

/** A well-formed request line, of which method or version may be unknown. Anything else is not HTTP/1. */
const requestLine = new RegExp(`^(?:\\r?\\n)*[${tokenCharacters}]+ [^ \\r\\n]+ HTTP/[0-9]\\.[0-9]\\r\\n`);
const lingerMs = 1_000;
const proxiedDetail = "A PROXY protocol header is taken from the peers that proxyProtocol names alone.";

/** Sockets that got a response: Node reports an error for every further packet. */
const answered = new WeakSet<Duplex>();

export interface ClientErrorDeps {
  readonly pseudonym: string;
  /** Told of each that is answered, with what the parser had in hand. */
  readonly onRefused: (problem: Problem, socket: Duplex, packet: Buffer | null, requestId: string) => void;
}

export function answerClientError(
  error: NodeJS.ErrnoException & { rawPacket?: Buffer },
  socket: Duplex,
  response: ServerResponse | null,
  told: ClientErrorDeps,
): void {
  if (answered.has(socket)) return;
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  // Bytes after a request with Connection: close (RFC 9112 9.6) are not read; its response closes the connection.
  if (error.code === "HPE_CLOSED_CONNECTION") return;
  if (response !== null && !response.writableFinished && !response.destroyed) {
    // A later request of the pipeline is malformed: responses keep the order of requests.
    if (response.req.complete) {
      response.once("finish", () => setImmediate(() => answerClientError(error, socket, null, told)));
      return;
    }
    // An earlier response still occupies the connection.
    if (response.socket === null) {
      response.once("socket", () => setImmediate(() => answerClientError(error, socket, response, told)));
      return;
    }
    // Part of the response was sent: further bytes would be read as its body.
    if (response.headersSent) {
      if (!endLinger(response)) socket.destroy();
      return;
    }
  }
  const isProxied = error.rawPacket !== undefined && looksProxied(error.rawPacket);
  const problem = new Problem(slugOf(error), isProxied ? { detail: proxiedDetail } : {});
  const requestId = randomUUID();
  told.onRefused(problem, socket, error.rawPacket ?? null, requestId);
  answerSocket(socket, problem, told.pseudonym, requestId);
}

/** Writes the response and closes, after draining input for a moment: closing with unread bytes sends a reset. */
export function answerSocket(
  socket: Duplex,
  problem: Problem,
  pseudonym: string,
  requestId: string = randomUUID(),
): void {
  answered.add(socket);
  socket.on("error", () => {
    // The client is gone.
  });
  socket.end(
    problemBytes(problemReply(problem, { requestId, pseudonym, headers: null }), requestId, new Date()),
  );
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
  socket.resume();
}

function slugOf({ code, rawPacket }: NodeJS.ErrnoException & { rawPacket?: Buffer }): ProblemSlug {
  const slug = slugs.get(code ?? "") ?? "malformed-request";
  if (slug === "headers-too-large" && rawPacket !== undefined && isInRequestLine(rawPacket))
    return "uri-too-long";
  if (slug !== "not-implemented" && slug !== "version-not-supported") return slug;
  const wellFormed = rawPacket !== undefined && requestLine.test(rawPacket.toString("latin1", 0, 16_384));
  return wellFormed ? slug : "malformed-request";
}

/** Whether the request line exceeds the limit, and not the header section: it has no end in the packet, or is above 8 KiB. */
function isInRequestLine(packet: Buffer): boolean {
  const end = packet.indexOf("\r\n");
  if (end === -1) return /^[A-Z]+ \//.test(packet.toString("latin1", 0, 64));
  return / HTTP\/[0-9]\.[0-9]$/.test(packet.toString("latin1", Math.max(0, end - 16), end)) && end > 8_192;
}
