/**
 * One request to one service: admission (breaker, bulkhead), choice of an instance, dispatch, and the two repeats that
 * are always safe: on another instance when no byte was sent, and once more after the keep-alive race.
 *
 * F1 A request whose bytes were handed to a connection is sent again only if not one byte of a response came, the
 *    connection was a reused one, its method is idempotent or the service honours the key, and the caller allows it.
 * F2 A slot of the bulkhead is held until the response's body has ended or was destroyed.
 */
import { isIdempotent } from "@sticky-proxy/protocol/http";
import type { Duplex } from "node:stream";

import type { HeaderList } from "@sticky-proxy/core/http";
import type { ForwardRequest } from "./forward-request.ts";
import type { Instance, Service } from "@sticky-proxy/core/registry";

import { Exchange, type ResponseStart } from "./exchange.ts";
import { failedWith, isInstanceFault, type Failed, type UpstreamOutcome } from "./outcome.ts";
import { incomingHeaders, outgoingHeaders, type Names } from "./outgoing.ts";
import { requestBody } from "./request-body.ts";
import { allUnknown, ServiceTraffic, type Choice, type HealthView, type TrafficView } from "./traffic.ts";

export interface Forwarder {
  /** Never rejects. A "responded" outcome's body must be read to its end or destroyed. */
  forward(request: ForwardRequest): Promise<UpstreamOutcome>;
  close(): Promise<void>;
}

export type TunnelRequest = Omit<ForwardRequest, "body" | "bodyLength" | "maxBodyBytes"> & {
  /** What Upgrade asks for. */
  readonly protocol: "websocket";
};

/** The service switched protocols: the connection and its slot are held until the socket closes. */
export interface TunnelOpen {
  readonly kind: "switched";
  readonly headers: HeaderList;
  readonly socket: Duplex;
  readonly instance: Instance;
}

export type TunnelOutcome = TunnelOpen | UpstreamOutcome;

export interface Tunneller {
  /** Never rejects. "responded": the service answered instead of switching. */
  tunnel(request: TunnelRequest): Promise<TunnelOutcome>;
}

export interface Attempt {
  readonly service: string;
  readonly instance: string;
  readonly method: string;
  /** "ok", "4xx", "5xx" or the RFC 9209 error type. */
  readonly outcome: string;
  readonly ms: number;
}

export interface ForwarderOptions extends Names {
  readonly health?: HealthView;
  /** Idle connections to services are closed after this; below theirs. Default 4000. */
  readonly keepAliveMs?: number;
  /** Largest header section of a response. Default 16384. */
  readonly maxResponseHeaderBytes?: number;
  readonly onAttempt?: (attempt: Attempt) => void;
  /** An instance is taken out by its answers. */
  readonly onEjected?: (service: string, instance: string) => void;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  readonly random?: () => number;
}

const maxAttempts = 3;
const nobody: ReadonlySet<string> = new Set();

export function createForwarder(options: ForwarderOptions): Forwarder & Tunneller & TrafficView {
  const health = options.health ?? allUnknown;
  const now = options.now ?? (() => performance.now());
  const random = options.random ?? Math.random;
  const limits = {
    keepAliveMs: options.keepAliveMs ?? 4_000,
    maxHeaderBytes: options.maxResponseHeaderBytes ?? 16_384,
  };
  const services = new Map<string, ServiceTraffic>();

  function trafficOf(service: Service): ServiceTraffic {
    let traffic = services.get(service.name);
    if (traffic === undefined) services.set(service.name, (traffic = new ServiceTraffic(random, limits)));
    return traffic;
  }

  /** null: a slot of the service is taken; give it back with `leave`. */
  async function admit({ service, signal }: ForwardRequest, traffic: ServiceTraffic): Promise<Failed | null> {
    const passage = traffic.breaker.enter(service.breaker, now());
    if (!passage.pass) {
      const detail = "The service is given a pause after repeated failures.";
      const retryAfter = Math.ceil(passage.openMs / 1000);
      return failedWith("circuit-open", "destination_unavailable", detail, { retryAfter });
    }
    if (traffic.bulkhead.tryEnter(service.limits)) return null;
    const admission = await traffic.bulkhead.wait(service.limits, signal);
    if (admission === "admitted") return null;
    if (admission === "aborted") return givenUp();
    const detail =
      admission === "full"
        ? "The service's queue is full."
        : "The request waited too long in the service's queue.";
    return failedWith("queue-full", "connection_limit_reached", detail, { retryAfter: 1 });
  }

  async function forward(request: ForwardRequest): Promise<UpstreamOutcome> {
    const traffic = trafficOf(request.service);
    const refused = await admit(request, traffic);
    if (refused !== null) return refused;
    let release: (() => void) | null = () => traffic.bulkhead.leave();
    try {
      const outcome = await attemptAll(request, traffic, null);
      if (outcome.kind === "responded") {
        outcome.body.once("close", release);
        release = null;
      }
      return outcome.kind === "switched" ? unasked(outcome) : outcome;
    } finally {
      release?.();
    }
  }

  async function tunnel(request: TunnelRequest): Promise<TunnelOutcome> {
    const traffic = trafficOf(request.service);
    const plain: ForwardRequest = { ...request, body: null, bodyLength: null };
    const refused = await admit(plain, traffic);
    if (refused !== null) return refused;
    let release: (() => void) | null = () => traffic.bulkhead.leave();
    try {
      const outcome = await attemptAll(plain, traffic, request.protocol);
      if (outcome.kind !== "failed") {
        (outcome.kind === "switched" ? outcome.socket : outcome.body).once("close", release);
        release = null;
      }
      return outcome;
    } finally {
      release?.();
    }
  }

  async function attemptAll(
    request: ForwardRequest,
    traffic: ServiceTraffic,
    upgrade: string | null,
  ): Promise<TunnelOutcome> {
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
      const tried = await attempt(request, headers, traffic, choice, upgrade);
      if (tried.outcome.kind !== "failed") return tried.outcome;
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
    upgrade: string | null,
  ): Promise<{ outcome: TunnelOutcome; repeatable: boolean }> {
    const { service, head, signal } = request;
    const started = now();
    const { onInformational } = request;
    const exchange = new Exchange({
      onInformational:
        onInformational === undefined
          ? null
          : (status, lines) => {
              onInformational(status, incomingHeaders(lines, status, null, options.pseudonym).headers);
            },
      upgrade,
    });
    const body = requestBody(request.body, request.maxBodyBytes ?? Number.POSITIVE_INFINITY);
    const onAbort = (): void => exchange.abort(new Error("the request was given up"));
    signal.addEventListener("abort", onAbort);
    counters.inFlight += 1;
    const finish = (): void => {
      counters.inFlight -= 1;
      signal.removeEventListener("abort", onAbort);
    };
    const note = (outcome: string, failure: boolean, ms: number, ttfbMs: number | null): void => {
      const isEjected = traffic.report(counters, failure, ttfbMs, now());
      if (isEjected) options.onEjected?.(service.name, instance.name);
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
        upgrade,
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
    if (result.kind === "switched") {
      note("ok", false, ms, ms);
      result.socket.once("close", finish);
      const { headers: lines } = incomingHeaders(result.headers, 101, request.route, options.pseudonym);
      return {
        outcome: { kind: "switched", headers: lines, socket: result.socket, instance },
        repeatable: false,
      };
    }
    finish();
    body.discard();
    const failed: Failed = { ...result.failed, instance };
    if (!failed.aborted) note(failed.proxyStatus, isInstanceFault(failed), ms, null);
    const repeatable =
      body.repeatable() &&
      (failed.executed === "no" || (result.unanswered && result.reused && mayResend(request)));
    return { outcome: failed, repeatable };
  }

  async function close(): Promise<void> {
    await Promise.all([...services.values()].map((traffic) => traffic.close()));
    services.clear();
  }

  return {
    forward,
    tunnel,
    close,
    traffic: () => [...services].map(([service, traffic]) => traffic.snapshot(service, now())),
  };
}

/** undici reports an upgrade only where one was asked for. */
function unasked({ socket, instance }: TunnelOpen): Failed {
  socket.destroy();
  const detail = "The service switched protocols unasked.";
  return failedWith("upstream-invalid-response", "http_upgrade_failed", detail, {
    executed: "unknown",
    instance,
  });
}

function mayResend({ resend, head, service, set }: ForwardRequest): boolean {
  if (resend === false) return false;
  if (isIdempotent(head.method)) return true;
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
  { status, httpVersion, headers, body }: ResponseStart,
  request: ForwardRequest,
  instance: Choice["instance"],
  ttfbMs: number,
  pseudonym: string,
): UpstreamOutcome {
  const passed = incomingHeaders(headers, status, request.route, pseudonym, httpVersion);
  return {
    kind: "responded",
    status,
    headers: passed.headers,
    own: { sticky: passed.sticky },
    body,
    trailers: () => body.trailers,
    instance,
    ttfbMs,
  };
}
