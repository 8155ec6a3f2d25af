/**
 * The data plane's listener: Node's HTTP server with its limits set, the requests it would let through checked, and
 * every answer that Node would give by itself replaced by ours. Koa begins where this file ends.
 */
import { addressSet } from "@sticky-proxy/core/http";
import http from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";

import { fields, Problem } from "@sticky-proxy/protocol";

import { createApp } from "../app.ts";
import { answerClientError, answerSocket } from "./client-error.ts";
import type { ProxyDeps } from "../deps.ts";
import { watchHalfClosed } from "./half-closed.ts";
import { allowedMethods, strictRequest, type StrictResult } from "./strict-request.ts";
import { createPipelines } from "./pipeline.ts";
import { problemReply } from "./problem-reply.ts";
import type { Reply } from "../reply.ts";
import { serviceFinder } from "../middleware/service-finder.ts";
import { createTunnels } from "./tunnel.ts";
import { writeReply } from "./write-reply.ts";

export interface ProxyServer {
  /** @returns the bound port. */
  listen(port: number, host?: string | null): Promise<number>;
  readonly port: number;
  /** Requests whose response has not ended. */
  readonly inFlight: number;
  /** Goes on answering; every answer closes its connection. */
  drain(): void;
  /** Stops listening, waits for running requests up to `graceMs`, then cuts what is left. */
  close(graceMs?: number): Promise<void>;
}

/**
 * What the parser takes before it gives up; the limits of the configuration are checked on the parsed head. Less than
 * one read of a socket (64 KiB), so that the packet that is too long still shows whether its target or its fields are.
 */
const parserHeadBytes = 49_152;

/** Node checks its head and request timers this often. */
const timerCheckMs = 1_000;

export function createServer(deps: ProxyDeps): ProxyServer {
  const { limits, pseudonym, trustedProxies } = deps.settings;
  const gate = { draining: false };
  const find = serviceFinder(deps.services);
  const handle = createApp(deps, gate, find);
  const tunnels = deps.tunnels === undefined ? null : createTunnels(deps.tunnels, deps);
  const isTrusted = addressSet(trustedProxies);
  const pipelines = createPipelines();
  const requestCounts = new WeakMap<Duplex, number>();
  const perAddress = new Map<string, number>();
  const idle = new Set<() => void>();
  let inFlight = 0;

  const server = http.createServer({
    // Node counts target and header section as one, so it would call a long target a long header (RFC 9112 3: 414).
    maxHeaderSize: Math.max(parserHeadBytes, limits.targetBytes + limits.headerBytes),
    // Checked here, so that the answer is a problem like every other.
    requireHostHeader: false,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: Math.max(limits.bodyTimeoutMs, limits.headersTimeoutMs),
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.min(timerCheckMs, limits.headersTimeoutMs),
    shouldUpgradeCallback: becomesTunnel,
  });
  // Node cuts the list off at this number without a word; all lines are counted by strict-request instead.
  server.maxHeadersCount = 0;
  // Node's type does not know it: the end of a client's side is not the end of its interest (half-closed.ts).
  (server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true;
  if (limits.maxConnections > 0) server.maxConnections = limits.maxConnections;

  function checked(request: IncomingMessage): StrictResult {
    const { socket } = request;
    return strictRequest(
      {
        method: request.method ?? "",
        url: request.url ?? "",
        httpVersion: request.httpVersion,
        rawHeaders: request.rawHeaders,
        peer: socket.remoteAddress ?? "",
        encrypted: "encrypted" in socket,
      },
      { settings: deps.settings, isTrusted, newRequestId: deps.newRequestId },
    );
  }

  /** An upgrade that is not taken is ignored (RFC 9110 7.8): the request goes through the chain like any other. */
  function becomesTunnel(request: IncomingMessage): boolean {
    if (tunnels === null || gate.draining || pipelines.last(request.socket) !== null) return false;
    const result = checked(request);
    if (result.kind !== "received") return false;
    const found = find(result.received);
    return found !== null && tunnels.takes(request, result.received, found);
  }

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    // Who reads the body listens too, but not for as long as the message lives; without a listener an error ends the process.
    request.on("error", ignored);
    response.on("error", ignored);
    // Not Node's own maxRequestsPerSocket: that says "close", leaves the connection open and answers 503 on it.
    const count = (requestCounts.get(socket) ?? 0) + 1;
    requestCounts.set(socket, count);
    const isLast = limits.maxRequestsPerSocket > 0 && count >= limits.maxRequestsPerSocket;
    // RFC 9112 9.3: an intermediary keeps no connection with an HTTP/1.0 client.
    if (isLast || request.httpVersion === "1.0") response.shouldKeepAlive = false;
    inFlight += 1;
    response.once("close", () => {
      inFlight -= 1;
      if (inFlight === 0) for (const done of idle) done();
    });
    pipelines.enter(socket, response, () => take(request, response));
  }

  function take(request: IncomingMessage, response: ServerResponse): void {
    const result = checked(request);
    if (result.kind === "received") {
      const { expectsContinue, hasBody } = result.received;
      // Node closes a connection on which 100 was expected and not sent; without content it is not needed.
      if (expectsContinue && !hasBody) response.shouldKeepAlive = false;
      handle(request, response, result.received);
      return;
    }
    const unread =
      request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"]) > 0;
    const refused = result.kind === "refused" ? result.problem : null;
    const answer = refused === null ? serverOptions : problemReply(refused, result.requestId, pseudonym);
    const reply = { ...answer, headers: [...answer.headers, [fields.xRequestId, result.requestId] as const] };
    const close = gate.draining || unread || request.httpVersion === "1.0" || refused?.options.close === true;
    if (refused !== null && deps.log.isOn("info")) {
      deps.log.info("request.refused", {
        requestId: result.requestId,
        problem: refused.slug,
        detail: refused.message,
      });
    }
    void writeReply(request, response, reply, {
      close,
      unread,
      writeIdleMs: limits.writeIdleMs,
      trailers: null,
    });
  }

  server.on("request", onRequest);
  server.on("checkContinue", onRequest);
  server.on("checkExpectation", onRequest);
  server.on("connect", (_request: IncomingMessage, socket: Duplex) => {
    const problem = new Problem("method-not-allowed", { headers: { Allow: allowedMethods } });
    const earlier = pipelines.last(socket);
    if (earlier === null) answerSocket(socket, problem, pseudonym);
    else earlier.once("finish", () => setImmediate(() => answerSocket(socket, problem, pseudonym)));
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    tunnels?.open(request, socket, head);
  });
  server.on("clientError", (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Duplex) => {
    answerClientError(error, socket, pipelines.last(socket), pseudonym);
  });
  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "";
    const open = (perAddress.get(address) ?? 0) + 1;
    if (limits.maxConnectionsPerAddress > 0 && open > limits.maxConnectionsPerAddress) {
      socket.destroy();
      return;
    }
    perAddress.set(address, open);
    socket.once("end", () => {
      const last = pipelines.last(socket);
      if (last === null) return;
      if (!last.headersSent) last.shouldKeepAlive = false;
      watchHalfClosed(socket, () => pipelines.current(socket));
    });
    socket.once("close", () => {
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left === 0) perAddress.delete(address);
      else perAddress.set(address, left);
    });
  });

  return {
    listen(port, host) {
      return new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen({ port, ...(host === null || host === undefined ? {} : { host }) }, () => {
          server.off("error", reject);
          resolve((server.address() as AddressInfo).port);
        });
      });
    },
    get port() {
      return (server.address() as AddressInfo | null)?.port ?? 0;
    },
    get inFlight() {
      return inFlight;
    },
    drain() {
      gate.draining = true;
    },
    async close(graceMs = 0) {
      gate.draining = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      if (inFlight > 0 && graceMs > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, graceMs);
          idle.add(() => {
            clearTimeout(timer);
            resolve();
          });
        });
      }
      server.closeAllConnections();
      tunnels?.close();
      await closed;
    },
  };
}

/** A client that breaks off is seen by "close". */
function ignored(): void {}

/** RFC 9110 9.3.7: what the server as a whole can do. */
const serverOptions: Reply = {
  status: 200,
  headers: [
    ["Allow", allowedMethods],
    [fields.stickySource, "gateway"],
  ],
  body: null,
};
