/** Problems as errors and as bodies (RFC 9457). A step of the pipeline throws {@link Problem}; one place writes it. */
import { CodedError } from "./coded-error.ts";
import { inEnvelope, type ErrorEnvelope } from "./error-envelope.ts";
import { problemTypes, type Executed } from "./problem-types.ts";

export type ProblemSlug = keyof typeof problemTypes;

export function isProblemSlug(word: string): word is ProblemSlug {
  return Object.hasOwn(problemTypes, word);
}

export interface ProblemOptions {
  /** A sentence about this occurrence, shown to the client: no internals, no secrets. */
  detail?: string;
  /** Overrides the table where the occurrence knows better (API.md, column "executed"). */
  executed?: Executed;
  retryable?: boolean;
  processId?: string;
  service?: string;
  /** Response fields, such as Retry-After, Allow, Link. */
  headers?: Readonly<Record<string, string>>;
  /** Further members of the body, e.g. `errors`. */
  extensions?: Readonly<Record<string, unknown>>;
  /** RFC 9209 error type for the Proxy-Status field, e.g. "connection_refused". */
  proxyStatus?: string;
  /** true: the connection cannot be used for another request. */
  close?: boolean;
  cause?: unknown;
}

/** An error whose answer is known. `slug` indexes {@link problemTypes}. */
export class Problem extends CodedError {
  override readonly name = "Problem";
  readonly slug: ProblemSlug;
  readonly options: ProblemOptions;

  constructor(slug: ProblemSlug, options: ProblemOptions = {}) {
    super(
      options.detail ?? problemTypes[slug].title,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.slug = slug;
    this.options = options;
  }

  override get code(): ProblemSlug {
    return this.slug;
  }

  get title(): string {
    return problemTypes[this.slug].title;
  }

  get status(): number {
    return problemTypes[this.slug].status;
  }

  get executed(): Executed | null {
    return this.options.executed ?? problemTypes[this.slug].executed;
  }

  get retryable(): boolean {
    return this.options.retryable ?? problemTypes[this.slug].retryable;
  }
}

export const problemTypePath = "/_sticky/problems/";

/** The JSON members of application/problem+json (RFC 9457 section 3.1 plus ours). Absent members are left out. */
export interface ProblemBody {
  type: string;
  title: string;
  status: number;
  /** Of this occurrence, else what the type means and what to do. */
  detail: string;
  /** This occurrence: the process when there is one, else the request (RFC 9457 3.1.5). */
  instance?: string;
  executed?: Executed;
  retryable: boolean;
  processId?: string;
  service?: string;
  requestId?: string;
  [extension: string]: unknown;
}

/** A request's id is its client's word: what is no UUID gets a name of ours. */
function instanceOf(processId: string | null, requestId: string | null): { instance?: string } {
  if (processId !== null) return { instance: `/_sticky/v1/processes/${processId}` };
  if (requestId === null) return {};
  const isUuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(requestId);
  return {
    instance: isUuid ? `urn:uuid:${requestId}` : `urn:sticky-proxy:request:${encodeURIComponent(requestId)}`,
  };
}

/**
 * @param requestId null: there was no request to speak of (a broken head)
 * @param envelope null: the problem itself, without the members of an error envelope
 */
export function problemBody(
  problem: Problem,
  requestId: string | null,
  envelope: ErrorEnvelope | null = null,
): ProblemBody {
  const { detail, processId, service, extensions } = problem.options;
  const body: ProblemBody = {
    ...extensions,
    type: problemTypePath + problem.slug,
    title: problem.title,
    status: problem.status,
    detail: detail ?? problemTypes[problem.slug].about,
    ...instanceOf(processId ?? null, requestId),
    ...(problem.executed === null ? {} : { executed: problem.executed }),
    retryable: problem.retryable,
    ...(processId === undefined ? {} : { processId }),
    ...(service === undefined ? {} : { service }),
    ...(requestId === null ? {} : { requestId }),
  };
  if (envelope === null) return body;
  // What the problem says itself stands: an envelope only adds.
  return { ...body, ...inEnvelope(envelope, problem, requestId), ...body };
}
