/** What the steps of the chain hand on to each other on `ctx.state`. */
import type { Readable } from "node:stream";

import type { Begun } from "@sticky-proxy/engine";
import type { HeaderLine, RequestHead } from "@sticky-proxy/core/http";
import type { ClientCertificate, Principal, Proof } from "@sticky-proxy/core/principal";
import type { Route, Service } from "@sticky-proxy/core/registry";
import type { Problem } from "@sticky-proxy/protocol";
import type { ForwardClient, UpstreamSeen } from "@sticky-proxy/upstream";
import type { SubmissionOptions } from "./submit/submission-options.ts";
import type { BodyRoom } from "./listener/body-rooms.ts";
import type { RateStanding } from "./authentication/rates.ts";
import type { Reply } from "./reply.ts";
import type { DefaultContext, ParameterizedContext } from "koa";

/** What the bare server made of a request before any step ran. */
export interface Received {
  readonly requestId: string;
  /** Path normalised, from the public root; "*" for OPTIONS of the whole server. */
  readonly head: RequestHead;
  /** The path octets as they came. */
  readonly receivedPath: string;
  /** Lower-case, without port; null: the request has none (HTTP/1.0). */
  readonly host: string | null;
  readonly client: Required<ForwardClient>;
  /** Shown in the TLS handshake with us; null: none. */
  readonly certificate: ClientCertificate | null;
  /** Content-Length, null: chunked or no body. */
  readonly declaredLength: number | null;
  readonly hasBody: boolean;
  /** The client waits for 100 before it sends the body. */
  readonly expectsContinue: boolean;
}

export interface ProxyState extends Received {
  /** Aborts when the client is gone before its response was complete. */
  gone: AbortSignal;
  /** Lines on every request of this exchange to a service: X-Request-Id, traceparent, tracestate. */
  trace: readonly HeaderLine[];
  traceparent: string;
  /** After match-service. */
  service: Service | null;
  route: Route | null;
  /** As the service sees it: path below the service's prefix, without what Connection makes hop-by-hop. */
  serviceHead: RequestHead;
  /** With the holder that authenticate found. */
  client: Received["client"];
  /** Of the caller of the process API. */
  proof: Proof;
  /** After authenticate: what its caller may still send; null: any number. */
  standing: RateStanding | null;
  /** After authenticate: whose request it is. */
  principal: Principal;
  /** After identify: what the client asks of a process; null: the request makes none. */
  options: SubmissionOptions | null;
  /** What the process step made of the request; null: not asked, or not yet. */
  verdict: Begun["verdict"] | null;
  /** After read-body: bytes where the route needs them, a stream where it passes through. */
  body: Uint8Array | Readable | null;
  bodyLength: number | null;
  /** Of the bytes of bodies that this node has in memory; null: no body is read here. */
  room: BodyRoom | null;
  /** Told of a body that passes through, before anybody reads it; null: nobody copies it. */
  onStream: ((body: Readable) => void) | null;
  /** Asks a client that waits for 100 to go on; call before reading the body. */
  acceptBody: () => void;
  /** Gives the request up for a reason that becomes the answer when none has begun. */
  giveUp: (problem: Problem) => void;
  /** The client still waits for 100: it may send the body, or not, so the connection cannot be used again. */
  awaitsContinue: () => boolean;
  /** Set by the step that answers; the steps above may change it; `write` writes it. null: no step has answered. */
  reply: Reply | null;
  /** What became of it at its service; who joins another's execution or fetch has none of its own. */
  seen: UpstreamSeen;
  /** Fields of the access line that only a later step knows (processId, attempt, verdict …). */
  logFields: Record<string, unknown>;
}

export type ProxyContext = ParameterizedContext<ProxyState, DefaultContext>;
export type Middleware = (ctx: ProxyContext, next: () => Promise<void>) => Promise<void>;
