/**
 * For service authors: reads the gateway's fields of a request, and reports the outcome.
 * Independent of web frameworks: headers are Node's objects, fetch's Headers or pairs.
 */

import {
  fields,
  lowerFields,
  readSigningKey,
  resultMediaType,
  signWebhook,
  verifyWebhook,
  type Executed,
  type Progress,
  type SigningKey,
} from "@sticky-proxy/protocol";
import { UnexpectedResponseError } from "./errors.ts";
import { jsonObject } from "./problem-reply.ts";
import { defaultRetry, send, type Fetch, type RetryOptions } from "./transport.ts";

export {
  ConnectionError,
  isKnownProblem,
  isProblem,
  ProblemError,
  StickyError,
  UnexpectedResponseError,
} from "./errors.ts";

/** Node's `request.headers`, fetch's Headers, or name/value pairs. */
export type HeaderSource =
  | Iterable<readonly [string, string]>
  | Readonly<Record<string, string | readonly string[] | undefined>>;

/** One dispatch of one process. Plain data: it can be stored, and another program can report later. */
export interface Execution {
  readonly processId: string;
  /** The client's key, or the process id: equal for every dispatch of the same work. */
  readonly idempotencyKey: string;
  /** 1 for the first dispatch. */
  readonly attempt: number;
  /** Rises with every dispatch; refuse a lower value than the highest seen for this key. */
  readonly fence: number;
  /** Proves that this execution was sent to you; treat it as a secret. */
  readonly token: string;
  /** Where to report; without action and token. */
  readonly callbackUrl: string;
  readonly traceparent: string | null;
}

export interface CompleteResult {
  /** Default 200. */
  readonly status?: number;
  /** Fields of the result; only with a body of text, JSON, or none. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Sent as it is, with `contentType`. */
  readonly body?: string | Uint8Array;
  /** Default for a string: text/plain, for bytes: application/octet-stream. */
  readonly contentType?: string;
  /** Instead of `body`. */
  readonly json?: unknown;
}

export interface FailReport {
  readonly title: string;
  readonly detail?: string;
  /** Status of the client's response. Default 502. */
  readonly status?: number;
  /** true: another attempt may succeed. */
  readonly retryable?: boolean;
  /** Default "unknown". */
  readonly executed?: Executed;
}

export interface HeartbeatReport {
  readonly progress?: Partial<Progress>;
  readonly extendMs?: number;
}

export interface Acknowledgement {
  /** The gateway already had this report; it changed nothing. */
  readonly duplicate: boolean;
  /** The client cancelled the process: stop if possible. */
  readonly cancelRequested: boolean;
}

export interface ReceiverOptions {
  /** "whsec_…" secrets. Reports are signed with each, and webhooks verified with any. */
  readonly secrets?: readonly string[];
  readonly fetch?: Fetch;
  /** Default: 8 attempts, pauses up to 30 s. */
  readonly retry?: Partial<RetryOptions>;
  readonly requestTimeoutMs?: number;
}

export interface ReportOptions {
  readonly signal?: AbortSignal | undefined;
}

export type Verification =
  | { readonly valid: true; readonly id: string }
  | { readonly valid: false; readonly reason: "absent" | "malformed" | "timestamp" | "mismatch" };

export interface Receiver {
  /** Verifies a Standard Webhooks signature over the raw bytes. Remember ids for ten minutes to drop duplicates. */
  verify(headers: HeaderSource, rawBody: Uint8Array, now?: number): Verification;
  /** Rejects with ProblemError: `execution-stale` when the process ended without this report. */
  complete(execution: Execution, result?: CompleteResult, options?: ReportOptions): Promise<Acknowledgement>;
  fail(execution: Execution, report: FailReport, options?: ReportOptions): Promise<Acknowledgement>;
  heartbeat(
    execution: Execution,
    report?: HeartbeatReport,
    options?: ReportOptions,
  ): Promise<Acknowledgement>;
}

/** null when the request is not an execution of the gateway. */
export function readExecution(headers: HeaderSource): Execution | null {
  const values = valuesOf(headers);
  const one = (name: string): string | null => values.get(name)?.[0] ?? null;
  const processId = one(lowerFields.stickyProcessId);
  const token = one(lowerFields.stickyExecution);
  const url = one(lowerFields.stickyCallbackUrl);
  if (processId === null || token === null || url === null) return null;
  return {
    processId,
    idempotencyKey: one(lowerFields.idempotencyKey)?.replace(/^"(.*)"$/, "$1") ?? processId,
    attempt: Number(one(lowerFields.stickyAttempt) ?? 1),
    fence: Number(one(lowerFields.stickyFence) ?? 0),
    token,
    callbackUrl: url.replace(/\?.*$/, "").replace(/\/(?:complete|fail|heartbeat)$/, ""),
    traceparent: one("traceparent"),
  };
}

/** Fields of a 202 response: the execution is accepted, a report follows. */
export function acceptedHeaders(execution: Execution): Record<string, string> {
  return { [fields.stickyExecution]: execution.token };
}

const reportRetry: RetryOptions = { ...defaultRetry, attempts: 8, minMs: 500, maxMs: 30_000 };

export function createReceiver(options: ReceiverOptions = {}): Receiver {
  const keys = (options.secrets ?? []).map(signingKey);
  const fetch: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const retry: RetryOptions = { ...reportRetry, ...options.retry };

  async function report(
    execution: Execution,
    action: "complete" | "fail" | "heartbeat",
    headers: Headers,
    body: Uint8Array,
    { signal }: ReportOptions,
  ): Promise<Acknowledgement> {
    headers.set(fields.stickyExecution, execution.token);
    // One id for all retries: the gateway recognises a duplicate report.
    const webhookId = `msg_${crypto.randomUUID()}`;
    const response = await send(fetch, {
      url: `${execution.callbackUrl}/${action}`,
      method: "POST",
      headers,
      body: body.slice(),
      repeatable: true,
      isBuffered: true,
      idempotencyKey: null,
      timeoutMs: options.requestTimeoutMs ?? 30_000,
      signal: signal ?? null,
      retry,
      beforeAttempt(fresh) {
        if (keys.length === 0) return;
        const signed = signWebhook(webhookId, body, keys, Date.now());
        for (const [name, value] of Object.entries(signed)) fresh.set(name, value as string);
      },
    });
    const text = await response.text();
    const answer = jsonObject(text);
    if (response.status !== 200 || answer?.["accepted"] !== true) {
      throw new UnexpectedResponseError(`HTTP ${response.status} instead of an acknowledgement`, response);
    }
    return { duplicate: answer["duplicate"] === true, cancelRequested: answer["cancelRequested"] === true };
  }

  return {
    verify(headers, rawBody, now = Date.now()) {
      const values = valuesOf(headers);
      const verdict = verifyWebhook(
        {
          id: values.get(lowerFields.webhookId) ?? [],
          timestamp: values.get(lowerFields.webhookTimestamp) ?? [],
          signature: values.get(lowerFields.webhookSignature) ?? [],
        },
        rawBody,
        keys,
        now,
      );
      return verdict.valid ? { valid: true, id: verdict.id } : verdict;
    },

    async complete(execution, result = {}, reportOptions = {}) {
      const { headers, body } = encodeResult(result);
      return report(execution, "complete", headers, body, reportOptions);
    },

    async fail(execution, failure, reportOptions = {}) {
      const headers = new Headers({ "Content-Type": "application/problem+json" });
      return report(execution, "fail", headers, encode(JSON.stringify(failure)), reportOptions);
    },

    async heartbeat(execution, heartbeat = {}, reportOptions = {}) {
      const headers = new Headers({ "Content-Type": "application/json" });
      return report(execution, "heartbeat", headers, encode(JSON.stringify(heartbeat)), reportOptions);
    },
  };
}

function signingKey(secret: string): SigningKey {
  const key = readSigningKey(secret);
  if (key === null) throw new TypeError("a secret is whsec_ and 24 to 64 bytes in base64");
  return key;
}

/** Field values by lower-case name, all lines of each. */
function valuesOf(headers: HeaderSource): ReadonlyMap<string, string[]> {
  const values = new Map<string, string[]>();
  const pairs = isPairs(headers) ? headers : Object.entries(headers);
  for (const [name, value] of pairs) {
    if (value === undefined) continue;
    const lines = values.get(name.toLowerCase()) ?? [];
    values.set(name.toLowerCase(), lines.concat(value));
  }
  return values;
}

function isPairs(headers: HeaderSource): headers is Iterable<readonly [string, string]> {
  return Symbol.iterator in headers;
}

interface Encoded {
  readonly headers: Headers;
  readonly body: Uint8Array;
}

function encodeResult({ status = 200, headers, body, contentType, json }: CompleteResult): Encoded {
  if (body !== undefined && json !== undefined) throw new TypeError("give body or json, not both");
  if (headers !== undefined) {
    if (typeof body === "object") throw new TypeError("headers go with text or JSON, not with bytes");
    const implied = json === undefined ? undefined : "application/json";
    const type = contentType ?? contentTypeOf(headers) ?? implied;
    const untyped = Object.entries(headers).filter(([name]) => name.toLowerCase() !== "content-type");
    const typed = Object.fromEntries(type === undefined ? untyped : [...untyped, ["content-type", type]]);
    return {
      headers: new Headers({ "Content-Type": resultMediaType }),
      body: encode(
        JSON.stringify({ status, headers: typed, body: json === undefined ? body : asJsonBody(json) }),
      ),
    };
  }
  const own = new Headers({ [fields.stickyResultStatus]: String(status) });
  if (json !== undefined) {
    own.set("Content-Type", contentType ?? "application/json");
    return { headers: own, body: encode(JSON.stringify(json)) };
  }
  if (body === undefined) return { headers: own, body: new Uint8Array(0) };
  const isText = typeof body === "string";
  own.set("Content-Type", contentType ?? (isText ? "text/plain; charset=utf-8" : "application/octet-stream"));
  return { headers: own, body: isText ? encode(body) : body };
}

function contentTypeOf(headers: NonNullable<CompleteResult["headers"]>): string | undefined {
  const [, value] = Object.entries(headers).find(([name]) => name.toLowerCase() === "content-type") ?? [];
  return typeof value === "string" ? value : value?.[0];
}

/** In the result media type a string is text; a JSON string needs its quotes. */
function asJsonBody(json: unknown): unknown {
  return typeof json === "string" ? JSON.stringify(json) : json;
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
