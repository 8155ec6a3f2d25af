/**
 * One request to one service: admission (breaker, bulkhead), choice of an instance, dispatch, and the two repeats that
 * are always safe: on another instance when no byte was sent, and once more after the keep-alive race.
 *
 * F1 A request whose bytes were handed to a connection is sent again only if not one byte of a response came, the
 *    connection was a reused one, its method is idempotent or the service honours the key, and the caller allows it.
 * F2 A slot of the bulkhead is held until the response's body has ended or was destroyed.
 */
import type { Readable } from "node:stream";

import { parseAuthority, requestHeaders, responseHeaders } from "@sticky-proxy/core";
import type {
  HeaderLine,
  HeaderList,
  RequestHead,
  Route,
  Service,
  UpstreamTimeouts,
} from "@sticky-proxy/core";

import { Exchange } from "./exchange.ts";
import type { ResponseStart } from "./exchange.ts";
import { failedWith } from "./outcome.ts";
import type { Failed, UpstreamOutcome } from "./outcome.ts";
import { requestBody } from "./request-body.ts";
import { allUnknown, ServiceTraffic } from "./traffic.ts";
import type { Choice, HealthView } from "./traffic.ts";

export interface ForwardClient {
  /** Whose request it is: the right-most hop that is not one of our proxies. */
  readonly address: string;
  /** The socket's address, what X-Forwarded-For is continued with; default: `address`. */
  readonly peer?: string;
  /** The peer is one of our own proxies; what it says about the client is continued. */
  readonly trusted?: boolean;
  readonly protocol: "http" | "https";
  readonly host: string;
  readonly httpVersion?: "1.0" | "1.1";
}

export interface ForwardRequest {
  readonly service: Service;
  readonly route: Route | null;
  /** Headers as received; the rules of core/http/header-rules.ts are applied here. */
  readonly head: RequestHead;
  /** Lines that replace every line of the same name: Sticky-*, Idempotency-Key, traceparent … */
  readonly set: HeaderList;
  readonly body: Uint8Array | Readable | null;
  /** null: not known, the body goes out chunked. Ignored for bytes. */
  readonly bodyLength: number | null;
  /** A streamed body that turns out longer fails with payload-too-large. */
  readonly maxBodyBytes?: number;
  /** null: the request is the gateway's own (retry, take-over). */
  readonly client: ForwardClient | null;
  readonly signal: AbortSignal;
  /** Names of instances to leave out while others can be used. */
  readonly avoid?: ReadonlySet<string>;
  readonly onInformational?: (status: number, headers: HeaderList) => void;
  readonly timeouts?: Partial<UpstreamTimeouts>;
  /** false: never repeat once bytes were sent, even for idempotent methods. Default true. */
  readonly resend?: boolean;
}

export interface Forwarder {
  /** Never rejects. A "responded" outcome's body must be read to its end or destroyed. */
  forward(request: ForwardRequest): Promise<UpstreamOutcome>;
  close(): Promise<void>;
}

export interface Attempt {
  readonly service: string;
  readonly instance: string;
  readonly method: string;
  /** "ok", "4xx", "5xx" or the RFC 9209 error type. */
  readonly outcome: string;
  readonly ms: number;
}

export interface ForwarderOptions {
  /** Our name in Via, the same on every replica. */
  readonly pseudonym: string;
  /** Our name in CDN-Loop. */
  readonly loopId: string;
  readonly health?: HealthView;
  readonly onAttempt?: (attempt: Attempt) => void;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  readonly random?: () => number;
}

/** RFC 9110 9.2.2. */
const idempotentMethods: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "PUT",
  "DELETE",
  "PROPFIND",
  "QUERY",
]);
const maxAttempts = 3;
const nobody: ReadonlySet<string> = new Set();

export function createForwarder(options: ForwarderOptions): Forwarder {
  const health = options.health ?? allUnknown;
  const now = options.now ?? (() => performance.now());
  const random = options.random ?? Math.random;
  const services = new Map<string, ServiceTraffic>();

  function trafficOf(service: Service): ServiceTraffic {
    let traffic = services.get(service.name);
    if (traffic === undefined) services.set(service.name, (traffic = new ServiceTraffic(random)));
    return traffic;
  }

  async function forward(request: ForwardRequest): Promise<UpstreamOutcome> {
    const { service, signal } = request;
    const traffic = trafficOf(service);
    const passage = traffic.breaker.enter(service.breaker, now());
    if (!passage.pass) {
      return failedWith(
        "circuit-open",
        "destination_unavailable",
        "The service is given a pause after repeated failures.",
        {
          retryAfter: Math.ceil(passage.openMs / 1000),
        },
      );
    }
    if (!traffic.bulkhead.tryEnter(service.limits)) {
      const admission = await traffic.bulkhead.wait(service.limits, signal);
      if (admission === "aborted") return givenUp();
      if (admission !== "admitted") {
        const detail =
          admission === "full"
            ? "The service's queue is full."
            : "The request waited too long in the service's queue.";
        return failedWith("queue-full", "connection_limit_reached", detail, { retryAfter: 1 });
      }
    }
    let release: (() => void) | null = () => traffic.bulkhead.leave();
    try {
      const outcome = await attemptAll(request, traffic);
      if (outcome.kind === "responded") {
        outcome.body.once("close", release);
        release = null;
      }
      return outcome;
    } finally {
      release?.();
    }
  }

  async function attemptAll(request: ForwardRequest, traffic: ServiceTraffic): Promise<UpstreamOutcome> {
    const { service } = request;
    const headers = outgoingHeaders(request, options);
    let avoid = request.avoid ?? nobody;
    let last: Failed | null = null;
    for (let attempts = 1; ; attempts += 1) {
      if (request.signal.aborted) return givenUp();
      const choice = traffic.choose(service, health, avoid, now());
      if (choice === null) {
        return failedWith(
          "service-unavailable",
          "destination_unavailable",
          "Every instance of the service is down.",
          {
            retryAfter: 1,
          },
        );
      }
      // Nothing new to try: the first failure says more than a repeat of it.
      if (last !== null && last.executed === "no" && avoid.has(choice.instance.name)) return last;
      const tried = await attempt(request, headers, traffic, choice);
      if (tried.outcome.kind === "responded") return tried.outcome;
      last = tried.outcome;
      if (last.aborted || !tried.repeatable || attempts >= maxAttempts) return last;
      avoid = new Set([...avoid, choice.instance.name]);
    }
  }

  async function attempt(
    request: ForwardRequest,
    headers: readonly string[],
    traffic: ServiceTraffic,
    { instance, traffic: counters }: Choice,
  ): Promise<{ outcome: UpstreamOutcome; repeatable: boolean }> {
    const { service, head, signal } = request;
    const started = now();
    const exchange = new Exchange({ onInformational: request.onInformational ?? null, onUpgrade: null });
    const body = requestBody(request.body, request.maxBodyBytes ?? Number.POSITIVE_INFINITY);
    const onAbort = (): void => exchange.abort(new Error("the request was given up"));
    signal.addEventListener("abort", onAbort);
    counters.inFlight += 1;
    const finish = (): void => {
      counters.inFlight -= 1;
      signal.removeEventListener("abort", onAbort);
    };
    const note = (outcome: string, failure: boolean, ms: number, ttfbMs: number | null): void => {
      traffic.report(counters, failure, ttfbMs, now());
      traffic.breaker.report(service.breaker, failure, now());
      options.onAttempt?.({
        service: service.name,
        instance: instance.name,
        method: head.method,
        outcome,
        ms,
      });
    };

    counters.pool.dispatch(
      {
        path: head.query === null ? head.path : `${head.path}?${head.query}`,
        method: head.method,
        headers: headers as string[],
        body: body.content,
        headersTimeout: request.timeouts?.firstByteMs ?? service.timeouts.firstByteMs,
        bodyTimeout: request.timeouts?.idleMs ?? service.timeouts.idleMs,
      },
      exchange,
    );
    const result = await exchange.result;
    const ms = now() - started;
    if (result.kind === "started") {
      const { status } = result;
      note(status < 400 ? "ok" : status < 500 ? "4xx" : "5xx", isGatewayFailure(status), ms, ms);
      result.body.once("close", finish);
      return { outcome: responded(result, request, instance, ms, options.pseudonym), repeatable: false };
    }
    finish();
    body.discard();
    const failed: Failed = { ...result.failed, instance };
    if (!failed.aborted) note(failed.proxyStatus, true, ms, null);
    const repeatable =
      body.repeatable() &&
      (failed.executed === "no" || (result.unanswered && result.reused && mayResend(request)));
    return { outcome: failed, repeatable };
  }

  async function close(): Promise<void> {
    await Promise.all([...services.values()].map((traffic) => traffic.close()));
    services.clear();
  }

  return { forward, close };
}

function mayResend({ resend, head, service, set }: ForwardRequest): boolean {
  if (resend === false) return false;
  if (idempotentMethods.has(head.method)) return true;
  return service.honoursKey && set.some(([name]) => name.toLowerCase() === "idempotency-key");
}

function isGatewayFailure(status: number): boolean {
  return status === 502 || status === 503 || status === 504;
}

function givenUp(): Failed {
  return failedWith("execution-lost", "proxy_internal_response", "The request was given up.", {
    aborted: true,
  });
}

function responded(
  { status, headers, body }: ResponseStart,
  request: ForwardRequest,
  instance: Choice["instance"],
  ttfbMs: number,
  pseudonym: string,
): UpstreamOutcome {
  const passed = responseHeaders(headers, status, pseudonym);
  const set = request.route?.headers.response;
  return {
    kind: "responded",
    status,
    headers: set === undefined || set.size === 0 ? passed.headers : replaced(passed.headers, [...set]),
    own: { sticky: passed.sticky },
    body,
    trailers: () => body.trailers,
    instance,
    ttfbMs,
  };
}

/** Flat list as undici takes it. */
function outgoingHeaders(request: ForwardRequest, options: ForwarderOptions): string[] {
  const { head, client, service, route } = request;
  let lines: HeaderLine[] = requestHeaders(head.headers, {
    httpVersion: client?.httpVersion ?? "1.1",
    pseudonym: options.pseudonym,
    loopId: options.loopId,
    trustedPeer: client?.trusted ?? false,
    peer: client === null ? null : (client.peer ?? client.address),
    protocol: client?.protocol ?? "http",
    host: client?.host ?? "",
  });
  if (route !== null && route.headers.request.size > 0) lines = replaced(lines, [...route.headers.request]);
  if (request.set.length > 0) lines = replaced(lines, request.set);
  const flat: string[] = [];
  if (service.preserveHost && client !== null && parseAuthority(client.host) !== null)
    flat.push("host", client.host);
  for (const [name, value] of lines) flat.push(name, value);
  const length = request.body instanceof Uint8Array ? request.body.byteLength : request.bodyLength;
  if (request.body !== null && length !== null) flat.push("content-length", String(length));
  return flat;
}

/** `lines` with every line of a name in `set` replaced by those of `set`. */
function replaced(lines: readonly HeaderLine[], set: HeaderList): HeaderLine[] {
  const names = new Set(set.map(([name]) => name.toLowerCase()));
  const kept = lines.filter(([name]) => !names.has(name.toLowerCase()));
  return [...kept, ...set];
}
