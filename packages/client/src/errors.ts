/** Errors of the client; each says what is known about the execution. */

import { isProblemSlug, type Executed, type ProblemSlug, type ProcessView } from "@sticky-proxy/protocol";

export interface ErrorContext {
  readonly cause?: unknown;
  /** The key that the request was sent with: sending it again with this key cannot run the work twice. */
  readonly idempotencyKey?: string | null;
}

/** Base of all errors of this package. */
export class StickyError extends Error {
  override readonly name: string = "StickyError";
  /** Whether the service ran the work; null: not applicable. */
  readonly executed: Executed | null;
  readonly idempotencyKey: string | null;

  constructor(message: string, executed: Executed | null, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.executed = executed;
    this.idempotencyKey = context.idempotencyKey ?? null;
  }
}

/** What the gateway said in its problem body (RFC 9457). */
export interface ProblemDetails {
  /** One of the slugs in the gateway's table, or a newer one. */
  readonly slug: ProblemSlug | (string & {});
  readonly status: number;
  readonly title: string;
  readonly detail: string | null;
  readonly executed: Executed | null;
  /** true: the same request may succeed later. */
  readonly retryable: boolean;
  readonly processId: string | null;
  readonly requestId: string | null;
  /** From Retry-After; null: none. */
  readonly retryAfterMs: number | null;
  /** The Link field by relation: "status", "result", "successor". */
  readonly links: ReadonlyMap<string, string>;
  /** The complete body, including members that this version does not know. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** The gateway answered with a problem of its own. */
export class ProblemError extends StickyError implements ProblemDetails {
  override readonly name = "ProblemError";
  readonly slug: ProblemDetails["slug"];
  readonly status: number;
  readonly title: string;
  readonly detail: string | null;
  readonly retryable: boolean;
  readonly processId: string | null;
  readonly requestId: string | null;
  readonly retryAfterMs: number | null;
  readonly links: ReadonlyMap<string, string>;
  readonly body: Readonly<Record<string, unknown>>;

  constructor(details: ProblemDetails, context: ErrorContext = {}) {
    super(`${details.slug}: ${details.detail ?? details.title}`, details.executed, context);
    this.slug = details.slug;
    this.status = details.status;
    this.title = details.title;
    this.detail = details.detail;
    this.retryable = details.retryable;
    this.processId = details.processId;
    this.requestId = details.requestId;
    this.retryAfterMs = details.retryAfterMs;
    this.links = details.links;
    this.body = details.body;
  }
}

/** True for that problem of the gateway: `if (isProblem(error, "idempotency-key-reused")) …` */
export function isProblem<Slug extends ProblemSlug>(
  error: unknown,
  slug: Slug,
): error is ProblemError & { readonly slug: Slug } {
  return error instanceof ProblemError && error.slug === slug;
}

/** True when this version of the client knows the slug. */
export function isKnownProblem(error: unknown): error is ProblemError & { readonly slug: ProblemSlug } {
  return error instanceof ProblemError && isProblemSlug(error.slug);
}

/** No response to the request and its safe retries: executed is "unknown" for a submit. */
export class ConnectionError extends StickyError {
  override readonly name = "ConnectionError";
}

/** The wait timed out before the process ended. The process continues: `client.wait(id)` resumes. */
export class WaitTimeoutError extends StickyError {
  override readonly name = "WaitTimeoutError";
  readonly id: string;
  /** The last known state; null: none. */
  readonly view: ProcessView | null;

  constructor(id: string, view: ProcessView | null) {
    super(`process ${id} has not ended in time`, null);
    this.id = id;
    this.view = view;
  }
}

/** The response does not follow the gateway's contract, e.g. that of a balancer, or of a route without processes. */
export class UnexpectedResponseError extends StickyError {
  override readonly name = "UnexpectedResponseError";
  /** Its body has not been read unless `bodyUsed` says so. */
  readonly response: Response;

  constructor(message: string, response: Response, context: ErrorContext = {}) {
    super(message, "unknown", context);
    this.response = response;
  }
}
