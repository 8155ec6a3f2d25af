/**
 * Writes a response to the client without Koa: lines keep order, spelling and number; backpressure in both directions.
 * A truncated body closes the connection: no last chunk, so it never looks complete (RFC 9112 8).
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";

import { rawHeaders, responseTrailers, type HeaderList } from "@sticky-proxy/core/http";

import type { Reply } from "../reply.ts";

export interface WriteOptions {
  /** The connection carries no further request. */
  readonly close: boolean;
  /** The request has a body that was not received to its end. */
  readonly unread: boolean;
  /** Timeout of a client that reads no byte. */
  readonly writeIdleMs: number;
  /** Trailer lines after the body; null: the client did not ask for them. */
  readonly trailers: (() => HeaderList) | null;
}

/** Limits (time, bytes) of draining a request after an early response, so that a reset does not discard the response. */
const lingerMs = 1_000;
const lingerBytes = 1_048_576;

const noBytes = new Uint8Array(0);

/** Responses that are written and wait until the client stops sending; the function ends the wait. */
const lingering = new WeakMap<ServerResponse, () => void>();

/** Ends the wait because the rest of the request is malformed. false: the response is not waiting. */
export function endLinger(response: ServerResponse): boolean {
  const end = lingering.get(response);
  end?.();
  return end !== undefined;
}

/** Resolves when the response has ended, complete or not. */
export function writeReply(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: Reply,
  options: WriteOptions,
): Promise<void> {
  // The client is gone.
  if (response.destroyed || response.socket?.destroyed === true) {
    if (body !== null && !(body instanceof Uint8Array)) body.destroy();
    return Promise.resolve();
  }
  const flat = rawHeaders(headers);
  if (options.close) {
    flat.push("Connection", "close");
    response.shouldKeepAlive = false;
  }
  // RFC 9110 15.3.6: a 205 has no content but normal framing; bytes after its length would be read as a next response.
  if (status === 205 && body !== null) {
    if (!(body instanceof Uint8Array)) body.destroy();
    return writeReply(request, response, { status, headers, body: null }, options);
  }
  const silent = request.method === "HEAD" || isBodiless(status);
  if (body === null || body instanceof Uint8Array) {
    // The response to HEAD has the Content-Length of GET's, where it is known (RFC 9110 9.3.2).
    const isTold = !isBodiless(status) && (body !== null || !silent);
    if (isTold && !hasLength(headers)) flat.push("Content-Length", String(body?.byteLength ?? 0));
    response.writeHead(status, flat);
    return endWith(request, response, silent ? null : body, options.unread);
  }
  response.writeHead(status, flat);
  return pump(body, request, response, options);
}

function isBodiless(status: number): boolean {
  return status === 204 || status === 304;
}

function hasLength(headers: HeaderList): boolean {
  return headers.some(([name]) => name.length === 14 && name.toLowerCase() === "content-length");
}

function endWith(
  request: IncomingMessage,
  response: ServerResponse,
  body: Uint8Array | null,
  unread: boolean,
): Promise<void> {
  return new Promise((resolve) => {
    response.once("close", resolve);
    response.on("error", ignored);
    if (!unread) {
      if (body === null) response.end();
      else response.end(body);
      return;
    }
    // The response precedes the end of the request. It is written completely; its end, which closes the connection,
    // waits until the client has stopped sending: a close with unread bytes would be a reset (RFC 9112 9.6).
    if (body !== null) response.write(body);
    else response.flushHeaders();
    lingering.set(
      response,
      linger(request, () => response.end()),
    );
  });
}

/** @returns ends it at once */
function linger(request: IncomingMessage, done: () => void): () => void {
  let read = 0;
  const end = (): void => {
    clearTimeout(timer);
    request.off("data", count);
    request.off("end", end);
    request.off("close", end);
    done();
  };
  const count = (chunk: Buffer): void => {
    read += chunk.length;
    if (read > lingerBytes) end();
  };
  const timer = setTimeout(end, lingerMs);
  request.on("error", ignored);
  request.on("data", count);
  request.on("end", end);
  request.on("close", end);
  request.resume();
  return end;
}

function pump(
  body: Readable,
  request: IncomingMessage,
  response: ServerResponse,
  options: WriteOptions,
): Promise<void> {
  return new Promise((resolve) => {
    let slow: NodeJS.Timeout | null = null;
    const cut = (): void => {
      response.destroy();
    };
    // Node delays the head until the first bytes of the body, which may arrive late: an event stream must open at once.
    if (body.readableLength === 0) setImmediate(sendHead, response);
    body.on("data", (chunk: Buffer) => {
      if (response.write(chunk)) return;
      body.pause();
      slow = setTimeout(cut, options.writeIdleMs);
    });
    response.on("drain", () => {
      if (slow !== null) clearTimeout(slow);
      body.resume();
    });
    body.on("end", () => {
      const trailers = options.trailers === null ? [] : responseTrailers(options.trailers());
      if (trailers.length > 0 && response.chunkedEncoding)
        response.addTrailers(trailers.map(([name, value]): [string, string] => [name, value]));
      if (request.complete) response.end();
      else endEarly(request, response);
    });
    body.on("error", cut);
    response.on("error", ignored);
    response.on("close", () => {
      if (slow !== null) clearTimeout(slow);
      body.destroy();
      resolve();
    });
    body.resume(); // a partly read body is paused
  });
}

/** Not flushHeaders(): that writes the head as UTF-8, and a field's octets above 0x7f become two (RFC 9110 5.5). */
function sendHead(response: ServerResponse): void {
  if (!response.writableEnded && !response.destroyed) response.write(noBytes);
}

/**
 * The response is complete before its request: the rest is drained up to a limit, so that a next request can follow. An end
 * that closes the connection waits for that, as above; the last chunk cannot wait, it belongs to the response.
 */
function endEarly(request: IncomingMessage, response: ServerResponse): void {
  const { socket } = request;
  if (response.chunkedEncoding) response.end();
  lingering.set(
    response,
    linger(request, () => {
      response.end();
      if (!request.complete) socket.destroySoon();
    }),
  );
}

/** Ignores errors: "close" reports the end of the connection. */
function ignored(): void {}
