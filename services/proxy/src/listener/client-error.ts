/** Answers on connections whose request could not be parsed. They are closed: nobody knows where a next request begins. */
import { tokenCharacters } from "@sticky-proxy/protocol/http";
import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

import { Problem, type ProblemSlug } from "@sticky-proxy/protocol";

import { endLinger } from "./write-reply.ts";
import { problemBytes, problemReply } from "./problem-reply.ts";

/** By the codes of Node and of its parser; all others are malformed-request. */
const slugs: ReadonlyMap<string, ProblemSlug> = new Map([
  ["HPE_HEADER_OVERFLOW", "headers-too-large"],
  ["ERR_HTTP_REQUEST_TIMEOUT", "request-timeout"],
  ["HPE_CHUNK_EXTENSIONS_OVERFLOW", "payload-too-large"],
  ["HPE_INVALID_METHOD", "not-implemented"],
  ["HPE_INVALID_VERSION", "version-not-supported"],
]);

/** A request line whose form is right, so that its method or version can be what is wrong. Anything else is not HTTP/1. */
const requestLine = new RegExp(`^(?:\\r?\\n)*[${tokenCharacters}]+ [^ \\r\\n]+ HTTP/[0-9]\\.[0-9]\\r\\n`);
const lingerMs = 1_000;

/** A broken connection brings an error for every further packet; the first one is answered. */
const answered = new WeakSet<Duplex>();

export function answerClientError(
  error: NodeJS.ErrnoException & { rawPacket?: Buffer },
  socket: Duplex,
  response: ServerResponse | null,
  pseudonym: string,
): void {
  if (answered.has(socket)) return;
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  // Bytes after a request that said Connection: close (RFC 9112 9.6): never read; its response goes out and closes.
  if (error.code === "HPE_CLOSED_CONNECTION") return;
  if (response !== null && !response.writableFinished && !response.destroyed) {
    // What is broken is a later request of the pipeline: responses leave in the order of their requests.
    if (response.req.complete) {
      response.once("finish", () => setImmediate(() => answerClientError(error, socket, null, pseudonym)));
      return;
    }
    // Its own turn has not come: an earlier response still has the connection.
    if (response.socket === null) {
      response.once("socket", () =>
        setImmediate(() => answerClientError(error, socket, response, pseudonym)),
      );
      return;
    }
    // A part of the response is out: anything more would be read as its body.
    if (response.headersSent) {
      if (!endLinger(response)) socket.destroy();
      return;
    }
  }
  answerSocket(socket, new Problem(slugOf(error)), pseudonym);
}

/** Writes the whole response and closes, reading for a moment what still comes: a close with unread bytes is a reset. */
export function answerSocket(socket: Duplex, problem: Problem, pseudonym: string): void {
  answered.add(socket);
  socket.on("error", () => {
    // The client is gone: nothing is left to say.
  });
  socket.end(problemBytes(problemReply(problem, null, pseudonym), new Date()));
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

/** The packet in which the head became too long begins inside, or before the end of, an endless request line. */
function isInRequestLine(packet: Buffer): boolean {
  const end = packet.indexOf("\r\n");
  if (end === -1) return /^[A-Z]+ \//.test(packet.toString("latin1", 0, 64));
  return / HTTP\/[0-9]\.[0-9]$/.test(packet.toString("latin1", Math.max(0, end - 16), end)) && end > 8_192;
}
