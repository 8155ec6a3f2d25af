/**
 * The data plane's listener: Node's HTTP server with its limits, a stricter check of requests, and
 * problems in place of Node's built-in error responses. It calls Koa for each valid request.
 */
import { addressSet, pathRefusal } from "@sticky-proxy/core/http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Duplex } from "node:stream";

import { Problem } from "@sticky-proxy/protocol";

import { createApp } from "../app.ts";
import type { ProxyDeps } from "../deps.ts";
import { serviceFinder } from "../middleware/service-finder.ts";
import { answerUnrouted, logUnparsed } from "./answer-unrouted.ts";
import { answerClientError, answerSocket } from "./client-error.ts";
import { certificateOf } from "./client-certificate.ts";
import { createConnections } from "./connections.ts";
import { createHttpServer } from "./http-server.ts";
import { createInFlight, type InFlight } from "./in-flight.ts";
import { createPipelines, type Pipelines } from "./pipeline.ts";
import { createProxiedSources, type ProxiedSources } from "./proxied-sources.ts";
import { allowedMethods, strictRequest, type StrictResult } from "./strict-request.ts";
import { createTunnels, type Tunnels } from "./tunnel.ts";

export interface ProxyServer {
  /** @returns the bound port. */
  listen(port: number, host?: string | null): Promise<number>;
  readonly port: number;
  /** Requests whose response has not ended. */
  readonly inFlight: number;
  /** Continues to respond; every response closes its connection. */
  drain(): void;
  /** Stops listening, waits for running requests up to `graceMs`, then closes all connections. */
  close(graceMs?: number): Promise<void>;
}

export function createServer(deps: ProxyDeps): ProxyServer {
  const { limits } = deps.settings;
  const gate = { draining: false };
  const find = serviceFinder(deps.services);
  const handle = createApp(deps, gate, find);
  const tunnels = deps.tunnels === undefined ? null : createTunnels(deps.tunnels, deps);
  const sources = proxiedSources(deps);
  const check = requestChecker(deps, sources);
  const pipelines = createPipelines();
  const connections = createConnections(limits, pipelines);
  const inFlight = createInFlight();

  /** An upgrade that is not supported is ignored (RFC 9110 7.8): the request passes through the chain like any other. */
  function becomesTunnel(request: IncomingMessage): boolean {
    if (tunnels === null || gate.draining || pipelines.last(request.socket) !== null) return false;
    const result = check(request);
    if (result.kind !== "received") return false;
    const found = find(result.received);
    if (found === null || pathRefusal(result.received.head.path, found.route ?? {}) !== null) return false;
    return tunnels.takes(request, result.received, found);
  }

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    // The reader of a body removes its error listener before the message ends, and an error without a listener ends the process.
    request.on("error", ignored);
    response.on("error", ignored);
    connections.countRequest(request, response);
    inFlight.add(response);
    pipelines.enter(request.socket, response, () => dispatch(request, response));
  }

  function dispatch(request: IncomingMessage, response: ServerResponse): void {
    const result = check(request);
    if (result.kind !== "received") {
      answerUnrouted(deps, gate, result, request, response);
      return;
    }
    const { expectsContinue, hasBody } = result.received;
    // Node closes a connection where 100 was expected and not sent; it is not needed without content.
    if (expectsContinue && !hasBody) response.shouldKeepAlive = false;
    handle(request, response, result.received);
  }

  const tls = deps.tls ?? null;
  const server = createHttpServer(limits, becomesTunnel, tls);
  server.on("request", onRequest);
  server.on("checkContinue", onRequest);
  server.on("checkExpectation", onRequest);
  server.on("connection", (socket: Socket) => connections.accept(socket, addressOf(socket, sources)));
  if (tls === null) server.on("connection", connections.watch);
  server.on("drop", () => deps.onDropped?.());
  if (deps.settings.proxyProtocol.length > 0) sources.readBefore(server);
  answerOutsideRequests(server, pipelines, tunnels, deps, sources);
  const letGo = (): void => {
    sources.close();
    tunnels?.close();
  };
  return serverOf(server, gate, inFlight, letGo, limits.listenBacklog);
}

/** Who has connected, for limits and logs. */
function addressOf(socket: Socket, sources: Pick<ProxiedSources, "of">): string {
  return sources.of(socket)?.address ?? socket.remoteAddress ?? "";
}

/** Over TLS a connection without its header gets no answer: nothing is agreed on in which it could be written. */
function proxiedSources({ settings, log, tls }: Pick<ProxyDeps, "settings" | "log" | "tls">): ProxiedSources {
  return createProxiedSources({
    peers: settings.proxyProtocol,
    timeoutMs: settings.limits.headersTimeoutMs,
    onRefused(socket, reason) {
      log.info("proxy-protocol.refused", { client: socket.remoteAddress ?? null, reason });
      const detail = `A PROXY protocol header is expected from this peer: ${reason}.`;
      if ((tls ?? null) !== null) socket.destroy();
      else answerSocket(socket, new Problem("malformed-request", { detail }), settings.pseudonym);
    },
  });
}

/** Checks a parsed request against HTTP's rules and the configured limits. */
function requestChecker(
  deps: ProxyDeps,
  sources: Pick<ProxiedSources, "of">,
): (request: IncomingMessage) => StrictResult {
  const isTrusted = addressSet(deps.settings.trustedProxies);
  const checks = { settings: deps.settings, isTrusted, newRequestId: deps.newRequestId };
  return ({ socket, method, url, httpVersion, rawHeaders }) =>
    strictRequest(
      {
        method: method ?? "",
        url: url ?? "",
        httpVersion,
        rawHeaders,
        peer: socket.remoteAddress ?? "",
        source: sources.of(socket),
        encrypted: "encrypted" in socket,
        certificate: certificateOf(socket),
      },
      checks,
    );
}

/** CONNECT, upgrades that a tunnel has taken, and bytes that the parser refused. */
function answerOutsideRequests(
  server: Server,
  pipelines: Pipelines,
  tunnels: Tunnels | null,
  { settings: { pseudonym }, log }: Pick<ProxyDeps, "settings" | "log">,
  sources: Pick<ProxiedSources, "of">,
): void {
  server.on("connect", (_request: IncomingMessage, socket: Duplex) => {
    const problem = new Problem("method-not-allowed", { headers: { Allow: allowedMethods } });
    const earlier = pipelines.last(socket);
    if (earlier === null) answerSocket(socket, problem, pseudonym);
    else earlier.once("finish", () => setImmediate(() => answerSocket(socket, problem, pseudonym)));
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    tunnels?.open(request, socket, head);
  });
  const secure = new WeakSet<TLSSocket>();
  server.on("secureConnection", (socket: TLSSocket) => void secure.add(socket));
  server.on("clientError", (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Duplex) => {
    // A handshake that failed: there is nobody to whom a response could be written.
    if (socket instanceof TLSSocket && !secure.has(socket)) {
      log.info("tls.refused", { client: socket.remoteAddress ?? null, err: error });
      socket.destroy();
      return;
    }
    answerClientError(error, socket, pipelines.last(socket), {
      pseudonym,
      onRefused: (problem, of, packet, requestId) =>
        logUnparsed(log, problem, addressOf(of as Socket, sources), packet, requestId),
    });
  });
}

function serverOf(
  server: Server,
  gate: { draining: boolean },
  inFlight: InFlight,
  letGo: () => void,
  backlog: number,
): ProxyServer {
  return {
    listen(port, host) {
      return new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen({ port, backlog, ...(host === null || host === undefined ? {} : { host }) }, () => {
          server.off("error", reject);
          resolve((server.address() as AddressInfo).port);
        });
      });
    },
    get port() {
      return (server.address() as AddressInfo | null)?.port ?? 0;
    },
    get inFlight() {
      return inFlight.count;
    },
    drain() {
      gate.draining = true;
    },
    async close(graceMs = 0) {
      gate.draining = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await inFlight.settled(graceMs);
      server.closeAllConnections();
      letGo();
      await closed;
    },
  };
}

/** Ignores errors: "close" reports a client that disconnects. */
function ignored(): void {}
