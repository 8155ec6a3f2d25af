/**
 * One request to the secondary of a mirrored route. It has its own forwarder, so that a secondary that hangs
 * uses no connection, slot or breaker of the data path, and its own signal, so that a client that disconnects
 * does not abort it.
 */
import { createHmac } from "node:crypto";
import {
  type HeaderLine,
  type HeaderList,
  type RequestHead,
  headerValue,
  keyLine,
} from "@sticky-proxy/core/http";
import { type MirrorPolicy, type Service, matchRoute } from "@sticky-proxy/core/registry";
import { type SendFailure, asksForRetry, isEndless, secondaryHeaders } from "@sticky-proxy/core/mirror";
import {
  dualWriteField,
  formatIdempotencyKey,
  formatMirrorMarker,
  mirrorMarkerField,
  parseRetryAfter,
  readSigningKey,
  type Clock,
} from "@sticky-proxy/protocol";
import { collectBody, type Forwarder } from "@sticky-proxy/upstream";

/** Of an answer whose body takes longer than this, only the head is looked at. */
const answerMs = 10_000;

export interface SecondaryDeps {
  readonly forwarder: Forwarder;
  /** Loop markers for one request: {@link markLines}. */
  readonly marks: (head: RequestHead) => HeaderList;
  /** now() is for Retry-After dates. */
  readonly clock: Clock;
}

export interface SecondaryRequest {
  readonly secondary: Service;
  /** The primary, whose credentials these are. */
  readonly primary: Service;
  readonly policy: Pick<MirrorPolicy, "credentials">;
  readonly head: RequestHead;
  readonly body: Uint8Array;
  /** The client's key or the process id; null: a read or a shadowed call without one. */
  readonly idempotencyKey: string | null;
  /** Lines about the process: Sticky-Process-Id, Sticky-Fence, Sticky-Attempt. */
  readonly extra: HeaderList;
  /** Limit of the response body; a larger one is dropped. */
  readonly maxAnswerBytes: number;
  /** For the whole exchange. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export type SecondaryOutcome =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly headers: HeaderList;
      /** As received, content coding included; null: larger than maxAnswerBytes, without an end, or too slow. */
      readonly body: Uint8Array | null;
      readonly instance: string;
      readonly latencyMs: number;
    }
  | {
      readonly kind: "failed";
      readonly failure: SendFailure;
      readonly instance: string | null;
      readonly latencyMs: number;
      /** The caller's signal aborted it. */
      readonly aborted: boolean;
    };

export interface Secondary {
  /** Never rejects. A retryable response is a failure. */
  send(request: SecondaryRequest): Promise<SecondaryOutcome>;
}

export function createSecondary(deps: SecondaryDeps): Secondary {
  const { forwarder, clock } = deps;

  async function send(request: SecondaryRequest): Promise<SecondaryOutcome> {
    const { secondary, primary, policy, head, body, timeoutMs } = request;
    const startedAt = clock.monotonic();
    const timeout = AbortSignal.timeout(timeoutMs);
    const route = matchRoute(secondary, head.method, head.path, { host: null, ...head });
    const outcome = await forwarder.forward({
      service: secondary,
      route,
      head: { ...head, headers: secondaryHeaders(head.headers, policy.credentials, primary.credential) },
      set: ownLines(request),
      body: body.length === 0 && !hasLength(head) ? null : body,
      bodyLength: body.length,
      client: null,
      signal: AbortSignal.any([request.signal, timeout]),
      // The outbox decides about retries, because it knows the order of the key.
      resend: false,
    });
    const failed = (
      error: string,
      instance: string | null,
      aborted: boolean,
      timedOut: boolean,
    ): SecondaryOutcome => ({
      kind: "failed",
      failure: { kind: "no-answer", error, timedOut },
      instance,
      latencyMs: clock.monotonic() - startedAt,
      aborted: aborted && !timeout.aborted,
    });
    if (outcome.kind === "failed") {
      const timedOut = timeout.aborted || outcome.slug === "upstream-timeout";
      const error = timeout.aborted ? "http_response_timeout" : outcome.proxyStatus;
      return failed(error, outcome.instance?.name ?? null, outcome.aborted, timedOut);
    }
    const { status, headers, instance } = outcome;
    const collected = isEndless(headers)
      ? ({ kind: "too-large", rest: outcome.body } as const)
      : await collectBody(outcome.body, request.maxAnswerBytes, {
          instance,
          until: AbortSignal.timeout(answerMs),
        });
    if (collected.kind === "failed") {
      const error = timeout.aborted ? "http_response_timeout" : collected.proxyStatus;
      return failed(error, instance.name, request.signal.aborted, timeout.aborted);
    }
    if (collected.kind === "too-large") collected.rest.destroy();
    const latencyMs = clock.monotonic() - startedAt;
    const retryAfter = headerValue(headers, "retry-after");
    const retryAfterMs = retryAfter === null ? null : parseRetryAfter(retryAfter, clock.now());
    if (asksForRetry(status, retryAfterMs)) {
      const failure = { kind: "try-later", status, retryAfterMs } as const;
      return { kind: "failed", failure, instance: instance.name, latencyMs, aborted: false };
    }
    const kept = collected.kind === "complete" ? collected.body : null;
    return { kind: "answered", status, headers, body: kept, instance: instance.name, latencyMs };
  }

  function ownLines({ head, idempotencyKey, extra }: SecondaryRequest): HeaderLine[] {
    const written = idempotencyKey === null ? null : formatIdempotencyKey(idempotencyKey);
    const key = keyLine(head.headers, idempotencyKey, written);
    return [...(key === null ? [] : [key]), ...extra, ...deps.marks(head)];
  }

  return { send };
}

/** A request with an empty body is sent with an empty body. */
function hasLength(head: RequestHead): boolean {
  return headerValue(head.headers, "content-length") !== null;
}

/** Marker lines of a mirrored request, for both backends. `hop`: number of gateways before this one. */
export function markLines(
  keys: MarkerKeys,
  head: RequestHead,
  id: string,
  hop: number,
  now: number,
): HeaderLine[] {
  const marker = { src: keys.source, id, hop: hop + 1 };
  return [
    [mirrorMarkerField, formatMirrorMarker(marker, head, keys.secrets[0], now)],
    [dualWriteField, "true"],
  ];
}

export interface MarkerKeys {
  /** Name of this deployment in markers, the same on all replicas. */
  readonly source: string;
  /** The first key signs, all keys verify. */
  readonly secrets: readonly [Uint8Array, ...Uint8Array[]];
}

/**
 * `configured`: Standard Webhooks secrets that chained gateways share. Without any, markers are signed with a key of
 * this deployment, which is enough for its replicas.
 */
export function markerKeys(deploymentSecret: Uint8Array, configured: readonly string[]): MarkerKeys {
  const derive = (purpose: string): Buffer => createHmac("sha256", deploymentSecret).update(purpose).digest();
  const keys = configured.flatMap((secret) => readSigningKey(secret)?.bytes ?? []);
  const [first, ...rest] = [...keys, derive("mirror marker")];
  return {
    source: `sticky-proxy-${derive("mirror source").toString("hex").slice(0, 12)}`,
    secrets: [first!, ...rest],
  };
}
