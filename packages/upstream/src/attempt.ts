/** One attempt at one instance: the exchange, what it says about the instance, and whether it may be sent again (F1). */
import { isIdempotent } from "@sticky-proxy/protocol/http";
import { parseRetryAfter, type Clock } from "@sticky-proxy/protocol";
import { headerValue, type HeaderList } from "@sticky-proxy/core/http";
import type { Instance } from "@sticky-proxy/core/registry";
import type { Duplex } from "node:stream";
import { Exchange, type ResponseStart } from "./exchange.ts";
import { holderOf, type ForwardRequest, type UpstreamSeen } from "./forward-request.ts";
import { failureSeen } from "./failure-seen.ts";
import {
  isInstanceFault,
  UpstreamBodyError,
  type Failed,
  type Responded,
  type UpstreamOutcome,
} from "./outcome.ts";
import { incomingHeaders } from "./outgoing.ts";
import { requestBody, type OutgoingBody } from "./request-body.ts";
import type { Choice, HealthView, ServiceTraffic } from "./traffic.ts";

/** The service switched protocols: connection and slot stay taken until the socket closes. */
export interface TunnelOpen {
  readonly kind: "switched";
  readonly headers: HeaderList;
  readonly socket: Duplex;
  readonly instance: Instance;
}

export type TunnelOutcome = TunnelOpen | UpstreamOutcome;

export interface Attempt {
  readonly service: string;
  readonly instance: string;
  readonly method: string;
  /** "ok", "4xx", "5xx" or the RFC 9209 error type. */
  readonly outcome: string;
  readonly ms: number;
}

export interface AttemptDeps {
  readonly pseudonym: string;
  readonly clock: Pick<Clock, "monotonic">;
  /** Epoch milliseconds, for dates in Retry-After. */
  readonly epochNow: () => number;
  readonly health: HealthView;
  readonly onAttempt?: (attempt: Attempt) => void;
  /** Called when an instance is ejected because of its responses. */
  readonly onEjected?: (service: string, instance: string) => void;
}

export interface OneAttempt {
  readonly request: ForwardRequest;
  readonly headers: readonly string[];
  readonly traffic: ServiceTraffic;
  readonly choice: Choice;
  /** Protocol of the Upgrade field; null: no upgrade. */
  readonly upgrade: string | null;
}

export interface Tried {
  readonly outcome: TunnelOutcome;
  readonly repeatable: boolean;
}

/** Never rejects. */
export async function attempt(deps: AttemptDeps, one: OneAttempt): Promise<Tried> {
  const { request, headers, traffic, upgrade } = one;
  const { instance, traffic: counters } = one.choice;
  const { clock, pseudonym } = deps;
  const { service, head, signal } = request;
  const started = clock.monotonic();
  const { onInformational } = request;
  const exchange = new Exchange({
    onInformational:
      onInformational === undefined
        ? null
        : (status, lines) => {
            onInformational(status, incomingHeaders(lines, status, null, pseudonym).headers);
          },
    upgrade,
  });
  const body = requestBody(request.body, request.maxBodyBytes ?? Number.POSITIVE_INFINITY);
  const onAbort = (): void => exchange.abort(new Error("the request was given up"));
  signal.addEventListener("abort", onAbort);
  const { seen = null } = request;
  if (seen !== null) began(seen, instance, body);
  counters.inFlight += 1;
  counters.beginTry();
  const finish = (): void => {
    counters.inFlight -= 1;
    signal.removeEventListener("abort", onAbort);
  };
  const note = (outcome: string, failure: boolean, ms: number, ttfbMs: number | null): void => {
    const isEjected = traffic.report(counters, failure, ttfbMs, clock.monotonic());
    if (isEjected) deps.onEjected?.(service.name, instance.name);
    traffic.breaker.report(service.breaker, holderOf(request), failure, clock.monotonic());
    deps.onAttempt?.({
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
  const ms = clock.monotonic() - started;
  if (result.kind === "started") {
    const { status } = result;
    note(status < 400 ? "ok" : status < 500 ? "4xx" : "5xx", isGatewayFailure(status), ms, ms);
    result.body.once("close", () => {
      finish();
      const { errored } = result.body;
      if (seen !== null && errored instanceof UpstreamBodyError) seen.failed = failureSeen(errored.outcome);
    });
    const pauseMs = status === 503 ? retryAfterOf(result.headers, deps.epochNow()) : null;
    const refusal =
      pauseMs === null
        ? counters.accepted()
        : traffic.refused(
            { ...one.choice, service, health: deps.health },
            pauseMs,
            started,
            clock.monotonic(),
          );
    return {
      outcome: { ...responded(result, request, instance, ms, pseudonym), refusal },
      repeatable: false,
    };
  }
  if (result.kind === "switched") {
    note("ok", false, ms, ms);
    counters.accepted();
    result.socket.once("close", finish);
    const { headers: lines } = incomingHeaders(result.headers, 101, request.route, pseudonym);
    return {
      outcome: { kind: "switched", headers: lines, socket: result.socket, instance },
      repeatable: false,
    };
  }
  finish();
  counters.endTry();
  body.discard();
  const failed: Failed = { ...result.failed, instance };
  if (!failed.aborted) note(failed.proxyStatus, isInstanceFault(failed), ms, null);
  const repeatable =
    body.repeatable() &&
    (failed.executed === "no" || (result.unanswered && result.reused && mayResend(request)));
  return { outcome: failed, repeatable };
}

function began(seen: UpstreamSeen, { name }: Instance, { streamed }: OutgoingBody): void {
  seen.attempts += 1;
  seen.instance = name;
  seen.streamed = streamed;
}

function mayResend({ resend, head, service, set }: ForwardRequest): boolean {
  if (resend === false) return false;
  if (isIdempotent(head.method)) return true;
  return service.honoursKey && set.some(([name]) => name.toLowerCase() === "idempotency-key");
}

/** ms; null: no Retry-After, or one that says nothing. */
function retryAfterOf(headers: HeaderList, epochNow: number): number | null {
  const value = headerValue(headers, "retry-after");
  return value === null ? null : parseRetryAfter(value, epochNow);
}

function isGatewayFailure(status: number): boolean {
  return status === 502 || status === 503 || status === 504;
}

function responded(
  { status, httpVersion, headers, body }: ResponseStart,
  request: ForwardRequest,
  instance: Choice["instance"],
  ttfbMs: number,
  pseudonym: string,
): Omit<Responded, "refusal"> {
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
