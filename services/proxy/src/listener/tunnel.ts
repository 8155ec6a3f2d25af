/**
 * WebSocket tunnels (RFC 9110 7.8, RFC 6455) on routes with `allowUpgrade`. Any other upgrade is ignored: the
 * request is forwarded without the field. The tunnel opens when the service has sent a valid Sec-WebSocket-Accept.
 */
import { createHash } from "node:crypto";
import http from "node:http";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

import {
  headerJoined,
  headerValue,
  withoutHeaders,
  type HeaderList,
  type RequestHead,
} from "@sticky-proxy/core/http";
import { fields, Problem } from "@sticky-proxy/protocol";
import type { Tunneller, UpstreamSeen } from "@sticky-proxy/upstream";

import { holderOfPrincipal } from "@sticky-proxy/core/budgets";
import { admit, admitAnybody } from "../authentication/admit.ts";
import { countRequest } from "../authentication/rates.ts";
import type { ProxyDeps } from "../deps.ts";
import { problemOf } from "../middleware/forward.ts";
import { traceOf, type Trace } from "../middleware/trace-context.ts";
import { accessFields } from "./access-fields.ts";
import { joinSockets } from "./join-sockets.ts";
import { problemReply } from "./problem-reply.ts";
import type { Reply } from "../reply.ts";
import type { Found } from "../middleware/service-finder.ts";
import type { Received } from "../state.ts";
import { writeReply } from "./write-reply.ts";

export interface Tunnels {
  /** Whether this request opens a tunnel instead of passing through the chain. */
  takes(request: IncomingMessage, received: Received, found: Found): boolean;
  open(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Closes the open tunnels. */
  close(): void;
}

/** Idle timeout and maximum lifetime of a tunnel. */
const idleMs = 600_000;
const lifeMs = 86_400_000;

/** RFC 6455 4.2.1. */
const nonce = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

/** RFC 6455 1.3. */
const acceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** An upgrade request, with what the listener knows about it. */
interface Handshake {
  readonly received: Received;
  readonly found: Found;
}

interface Shaking {
  readonly tunneller: Tunneller;
  readonly deps: ProxyDeps;
  readonly trace: Trace;
  readonly seen: UpstreamSeen;
}

type Outcome = { readonly reply: Reply } | { readonly service: Duplex; readonly headers: HeaderList };

export function createTunnels(tunneller: Tunneller, deps: ProxyDeps): Tunnels {
  const { log } = deps;
  const handshakes = new WeakMap<IncomingMessage, Handshake>();
  const open = new Set<Duplex>();

  async function run(request: IncomingMessage, client: Socket, first: Buffer): Promise<void> {
    const handshake = handshakes.get(request)!;
    const gone = new AbortController();
    client.once("close", () => gone.abort());
    client.on("error", () => client.destroy());
    const seen: UpstreamSeen = { attempts: 0, instance: null, failed: null, streamed: null };
    const trace = traceOf(handshake.received.head, handshake.received.requestId);
    const ended = lineOf(log, handshake, client, trace, seen);
    const outcome = await shakeHands({ tunneller, deps, trace, seen }, handshake, gone.signal);
    const { requestId } = handshake.received;
    client.once("close", () => ended("reply" in outcome ? outcome.reply.status : 101));
    if (client.closed) ended(null);
    if ("reply" in outcome) {
      await answer(request, client, requestId, outcome.reply, deps);
      return;
    }
    if (client.destroyed) outcome.service.destroy();
    else join(open, client, outcome.service, first, outcome.headers);
    log.info("tunnel.opened", { requestId, service: handshake.found.service.name });
  }

  return {
    takes(request, received, found) {
      if (!asksForTunnel(received, found)) return false;
      handshakes.set(request, { received, found });
      return true;
    },
    open(request, socket, head) {
      run(request, socket as Socket, head).catch((error: unknown) => {
        log.error("tunnel.failed", { err: error });
        socket.destroy();
      });
    },
    close() {
      for (const socket of open) socket.destroy();
    },
  };
}

/** The access line of a tunnel, when its connection has closed. @returns tells its status; null: nothing was sent */
function lineOf(
  log: ProxyDeps["log"],
  { received, found }: Handshake,
  client: Socket,
  { traceparent }: Trace,
  seen: UpstreamSeen,
): (status: number | null) => void {
  const startedAt = performance.now();
  const [readBefore, writtenBefore] = [client.bytesRead, client.bytesWritten];
  return (status) => {
    if (!log.isOn("info")) return;
    const ended = {
      status,
      durationMs: performance.now() - startedAt,
      bytesIn: client.bytesRead - readBefore,
      bytesOut: client.bytesWritten - writtenBefore,
    };
    log.info("request", {
      ...accessFields({ ...received, ...found, traceparent, seen }, ended),
      tunnel: true,
    });
  };
}

function asksForTunnel({ head, hasBody, client }: Received, { route }: Found): boolean {
  if (route?.allowUpgrade !== true || head.method !== "GET" || hasBody) return false;
  if (client.httpVersion !== "1.1") return false;
  return headerJoined(head.headers, "upgrade")?.trim().toLowerCase() === "websocket";
}

/** Opening handshake with the service (RFC 6455 4). @returns the open connection, or the response for the client */
async function shakeHands(
  { tunneller, deps, trace, seen }: Shaking,
  { received, found }: Handshake,
  gone: AbortSignal,
): Promise<Outcome> {
  const { service, route } = found;
  const refusal = (problem: Problem): Outcome => ({
    reply: problemReply(problem, {
      requestId: received.requestId,
      pseudonym: deps.settings.pseudonym,
      headers: received.head.headers,
      envelope: service.errorEnvelope,
    }),
  });
  const key = headerValue(received.head.headers, "sec-websocket-key") ?? "";
  if (!nonce.test(key)) {
    const detail = "The request is malformed: Sec-WebSocket-Key is not 16 bytes in base64.";
    return refusal(new Problem("malformed-request", { detail, service: service.name }));
  }
  const admitted = await admittedFrom(deps, received, found).catch(problemFrom);
  if (admitted instanceof Problem) return refusal(admitted);
  const outcome = await tunneller.tunnel({
    service,
    route,
    head: admitted.head,
    set: trace.lines,
    seen,
    client: { ...received.client, holder: admitted.holder },
    signal: gone,
    protocol: "websocket",
  });
  if (outcome.kind === "failed") return refusal(problemOf(outcome, { gone, service }));
  if (outcome.kind === "responded") {
    const headers: HeaderList = [...outcome.headers, [fields.stickySource, "service"]];
    return { reply: { status: outcome.status, headers, body: outcome.body } };
  }
  if (headerValue(outcome.headers, "sec-websocket-accept") === acceptFor(key)) {
    return { service: outcome.socket, headers: outcome.headers };
  }
  outcome.socket.destroy();
  return refusal(
    new Problem("upstream-invalid-response", {
      detail: "The service's Sec-WebSocket-Accept does not answer the key.",
      proxyStatus: "http_upgrade_failed",
      service: service.name,
    }),
  );
}

/** The request as its service gets it, and whose budgets it uses. @throws Problem of authentication and budgets: a tunnel is no way around them */
async function admittedFrom(
  deps: ProxyDeps,
  received: Received,
  found: Found,
): Promise<{ readonly head: RequestHead; readonly holder: string }> {
  const { authenticator, rates } = deps;
  const { principal, serviceHead } =
    authenticator === null
      ? admitAnybody(deps.secret, received, found)
      : await admit(deps, authenticator, received, found);
  const holder = principal.subject === null ? received.client.holder : holderOfPrincipal(principal.subject);
  countRequest(rates, holder);
  return { head: serviceHead, holder };
}

function problemFrom(error: unknown): Problem {
  if (error instanceof Problem) return error;
  throw error;
}

/** Sends the 101 and joins both sockets. @param open the tunnels that the server closes at its end */
function join(open: Set<Duplex>, client: Socket, service: Duplex, first: Buffer, headers: HeaderList): void {
  open.add(client);
  client.once("close", () => void open.delete(client));
  let lines = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
  for (const [name, value] of withoutHeaders(headers, unframed)) lines += `${name}: ${value}\r\n`;
  client.write(`${lines}\r\n`, "latin1");
  if (first.length > 0) service.write(first);
  joinSockets(client, service, { idleMs, lifeMs });
}

/** Responds without a tunnel and closes the connection. */
async function answer(
  request: IncomingMessage,
  socket: Socket,
  requestId: string,
  reply: Reply,
  { settings }: ProxyDeps,
): Promise<void> {
  const response = new http.ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once("finish", () => socket.destroySoon());
  const { writeIdleMs } = settings.limits;
  const headers: HeaderList = [...reply.headers, [fields.xRequestId, requestId]];
  await writeReply(
    request,
    response,
    { ...reply, headers },
    { close: true, unread: false, writeIdleMs, trailers: null },
  );
}

/** A 101 has neither a body nor a length (RFC 9110 8.6). */
const unframed: ReadonlySet<string> = new Set(["content-length", "transfer-encoding"]);

/** Sec-WebSocket-Accept of a key (RFC 6455 4.2.2). */
function acceptFor(key: string): string {
  return createHash("sha1")
    .update(key + acceptSuffix)
    .digest("base64");
}
