/**
 * One request to the gateway, retried while a retry is safe and useful.
 *
 * T1  A request that is not safe to retry is sent once.
 * T2  A response of the service is final, whatever its status: only the gateway's problems, and responses that did not
 *     come from it, are retried.
 * T3  A problem with executed "yes" or "unknown" is never retried here; the caller decides.
 * T4  Retry-After is the minimum pause; one above `maxRetryAfterMs` ends the attempts.
 */

import { fields } from "@sticky-proxy/protocol";
import { ConnectionError, ProblemError, type ProblemDetails } from "./errors.ts";
import { mayBeProblem, problemDetails, retryAfterOf } from "./problem-reply.ts";

export interface RetryOptions {
  /** Requests in all, the first included. Default 5. */
  readonly attempts: number;
  /** Limits of the pause, which is random below a bound that doubles with each attempt. */
  readonly minMs: number;
  readonly maxMs: number;
  /** Largest Retry-After that is waited for. */
  readonly maxRetryAfterMs: number;
}

export const defaultRetry: RetryOptions = {
  attempts: 5,
  minMs: 200,
  maxMs: 10_000,
  maxRetryAfterMs: 60_000,
};

/** What fetch takes, under the types of a browser and of Node alike. */
export type RequestBody = NonNullable<RequestInit["body"]>;
export type RequestFields = NonNullable<RequestInit["headers"]>;

export interface Call {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: RequestBody | null;
  /** T1: the request has a key, changes nothing, or is idempotent by its meaning. */
  readonly repeatable: boolean;
  readonly idempotencyKey: string | null;
  /** Until the head of the response, or until its end where `isBuffered`. */
  readonly timeoutMs: number;
  /** The response is a small document of the gateway: it is read here, so that the timeout covers its body. */
  readonly isBuffered: boolean;
  readonly signal: AbortSignal | null;
  readonly retry: RetryOptions;
  /** Called before each attempt, for fields that depend on the time. */
  readonly beforeAttempt?: (headers: Headers) => void | Promise<void>;
}

export type Fetch = (input: string, init: RequestInit) => Promise<Response>;

/**
 * The response, its body unread by the caller. Rejects with ProblemError, ConnectionError, or the signal's own reason.
 */
export async function send(fetch: Fetch, call: Call): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    await call.beforeAttempt?.(call.headers);
    const outcome = await attemptOnce(fetch, call);
    if (outcome.kind === "answered") return outcome.response;
    const pauseMs =
      call.repeatable && outcome.repeatable ? nextPause(call.retry, attempt, outcome.retryAfterMs) : null;
    if (pauseMs === null) throw outcome.error;
    await pause(pauseMs, call.signal);
  }
}

type Outcome =
  | { readonly kind: "answered"; readonly response: Response }
  | {
      readonly kind: "failed";
      readonly error: ProblemError | ConnectionError;
      readonly repeatable: boolean;
      readonly retryAfterMs: number | null;
    };

async function attemptOnce(fetch: Fetch, call: Call): Promise<Outcome> {
  call.signal?.throwIfAborted();
  const timeout = new AbortController();
  const timer = setTimeout(
    () => timeout.abort(new DOMException("no answer in time", "TimeoutError")),
    call.timeoutMs,
  );
  const signal = call.signal === null ? timeout.signal : AbortSignal.any([timeout.signal, call.signal]);
  try {
    const response = await fetch(call.url, {
      method: call.method,
      headers: call.headers,
      body: call.body,
      signal,
      // A 3xx may be the service's response, so the caller gets it.
      redirect: "manual",
      ...(call.body instanceof ReadableStream ? ({ duplex: "half" } as object) : {}),
    });
    return await judge(call, response);
  } catch (error) {
    call.signal?.throwIfAborted();
    const failure = new ConnectionError(`no answer from ${new URL(call.url).host}`, "unknown", {
      cause: error,
      idempotencyKey: call.idempotencyKey,
    });
    return { kind: "failed", error: failure, repeatable: true, retryAfterMs: null };
  } finally {
    clearTimeout(timer);
  }
}

/** Statuses of an intermediary that cannot reach the gateway. */
const unreached: ReadonlySet<number> = new Set([429, 502, 503, 504]);

async function judge(call: Call, response: Response): Promise<Outcome> {
  const now = Date.now();
  if (mayBeProblem(response)) {
    const text = await response.text();
    const details = problemDetails(response, text, now);
    if (details !== null) return refused(call, details, response.headers.get(fields.stickyProcessStatus));
    return { kind: "answered", response: new Response(text, response) };
  }
  if (response.headers.has(fields.stickySource) || !unreached.has(response.status) || !call.repeatable) {
    return { kind: "answered", response: call.isBuffered ? await buffered(response) : response };
  }
  await response.body?.cancel();
  const error = new ConnectionError(`the gateway was not reached: HTTP ${response.status}`, "unknown", {
    idempotencyKey: call.idempotencyKey,
  });
  return { kind: "failed", error, repeatable: true, retryAfterMs: retryAfterOf(response, now) };
}

async function buffered(response: Response): Promise<Response> {
  const body = await response.arrayBuffer();
  // A Response with 204 or 304 must be constructed without a body.
  return new Response(body.byteLength === 0 ? null : body, response);
}

function refused(call: Call, details: ProblemDetails, processStatus: string | null): Outcome {
  const error = new ProblemError(details, { idempotencyKey: call.idempotencyKey });
  const passing = details.status === 429 || details.status === 503;
  // The end of a process is final; sending its request again can start a new process.
  const isEnd = call.method === "GET" && (processStatus === "failed" || processStatus === "cancelled");
  const repeatable = passing && !isEnd && details.retryable && details.executed === "no";
  return { kind: "failed", error, repeatable, retryAfterMs: details.retryAfterMs };
}

/** null: no further attempt. */
function nextPause(retry: RetryOptions, attempt: number, retryAfterMs: number | null): number | null {
  if (attempt >= retry.attempts) return null;
  if (retryAfterMs !== null && retryAfterMs > retry.maxRetryAfterMs) return null;
  return backoff(retry, attempt) + (retryAfterMs ?? 0);
}

/** Full jitter: callers that failed at the same time retry at different times. */
export function backoff({ minMs, maxMs }: Pick<RetryOptions, "minMs" | "maxMs">, attempt: number): number {
  return Math.random() * Math.min(maxMs, minMs * 2 ** (attempt - 1));
}

/** Rejects with the signal's reason when it aborts first. */
export async function pause(ms: number, signal: AbortSignal | null): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    function onAbort(): void {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    }
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
