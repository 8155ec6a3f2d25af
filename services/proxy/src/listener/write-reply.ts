/**
 * Writes a response to the client past Koa: lines in their order, spelling and number, back-pressure both ways.
 * A body that breaks off takes the connection with it: no last chunk, no end that looks complete (RFC 9112 8).
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
  /** A client that takes no byte for so long is cut off. */
  readonly writeIdleMs: number;
  /** Trailer lines after the body; null: the client did not ask for them. */
  readonly trailers: (() => HeaderList) | null;
}

/** How long and how much of an unread request is read after an early answer, so that the answer is not lost in a reset. */
const lingerMs = 1_000;
const lingerBytes = 1_048_576;

const noBytes = new Uint8Array(0);

/** Responses that are written whole and wait for the client to stop sending; the function ends the wait. */
const lingering = new WeakMap<ServerResponse, () => void>();

/** The request turned out broken: nothing more will come of it. false: the response is not one that only waits. */
export function endLinger(response: ServerResponse): boolean {
  const end = lingering.get(response);
  end?.();
  return end !== undefined;
}

/** Resolves when the response has ended, whole or not. */
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
  // RFC 9110 15.3.6: no content in a 205, yet it is framed like any other; bytes after its length would be a response.
  if (status === 205 && body !== null) {
    if (!(body instanceof Uint8Array)) body.destroy();
    return writeReply(request, response, { status, headers, body: null }, options);
  }
  const silent = request.method === "HEAD" || isBodiless(status);
  if (body === null || body instanceof Uint8Array) {
    // A HEAD is told the length of what GET would get, where it is known (RFC 9110 9.3.2).
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
    // The answer comes before the request has ended. It is written whole; its end, which closes the connection,
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
    // Node keeps the head back for the body's first bytes, which may be long in coming: a stream of events is open by then.
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
    body.resume(); // a body that was read in part comes paused
  });
}

/** Not flushHeaders(): that writes the head as UTF-8, and a field's octets above 0x7f become two (RFC 9110 5.5). */
function sendHead(response: ServerResponse): void {
  if (!response.writableEnded && !response.destroyed) response.write(noBytes);
}

/**
 * The response is complete before its request: the rest is read up to a bound, for a next request to follow it. An end
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

/** The end of the connection is what counts; it is seen as "close". */
function ignored(): void {}
