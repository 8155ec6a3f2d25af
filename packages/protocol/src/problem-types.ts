/**
 * Every error the gateway speaks, in one table (RFC 9457).
 * `executed` is the answer to the only question a caller of a failed request has: did the work run?
 */

/** Whether the service ran the work. `unknown` is said when we cannot know; we never guess. */
export type Executed = "no" | "yes" | "unknown";

export interface ProblemType {
  readonly status: number;
  readonly title: string;
  /** null: the question does not arise for this problem. */
  readonly executed: Executed | null;
  /** true: sending the same request again later can succeed. */
  readonly retryable: boolean;
  /** One sentence for /_sticky/problems/{slug}: what it means and what to do. */
  readonly about: string;
}

function type(
  status: number,
  title: string,
  executed: Executed | null,
  retryable: boolean,
  about: string,
): ProblemType {
  return { status, title, executed, retryable, about };
}

export const problemTypes = {
  "idempotency-key-missing": type(
    400,
    "Idempotency-Key is missing",
    "no",
    false,
    "This route needs an Idempotency-Key. Send one and repeat it on every retry.",
  ),
  "idempotency-key-invalid": type(
    400,
    "Idempotency-Key is invalid",
    "no",
    false,
    "Send exactly one Idempotency-Key of 1 to 255 printable ASCII characters without quotes and backslashes.",
  ),
  "idempotency-key-reused": type(
    422,
    "Idempotency-Key was used for another request",
    "no",
    false,
    "The key belongs to a request with another payload. Use a new key for a new request.",
  ),
  "credential-changed": type(
    422,
    "The request came before with another credential",
    "unknown",
    false,
    "The same request, under the same key, was sent before by a caller with another credential, and may have run. Send it with that credential, or ask for its process with Sticky-Owner.",
  ),
  "request-in-progress": type(
    409,
    "The same request is in progress",
    "unknown",
    true,
    "An earlier request with this identity is still running. Follow the Link with rel=status.",
  ),
  "process-cancelled": type(
    409,
    "The process was cancelled",
    null,
    false,
    "The process was cancelled or replaced by a newer one; follow the successor link if there is one.",
  ),
  "process-terminal": type(
    409,
    "The process has ended",
    null,
    false,
    "A finished process cannot be changed.",
  ),
  "process-running": type(409, "The process is running", null, true, "Wait for its end, or cancel it first."),
  "execution-stale": type(
    409,
    "The execution is no longer current",
    null,
    false,
    "A later attempt, a cancel or an earlier result has decided this process. The report was kept in the timeline only.",
  ),
  "service-not-found": type(
    404,
    "No such service",
    "no",
    false,
    "No registered service matches the request's host and path.",
  ),
  "process-not-found": type(
    404,
    "No such process",
    "no",
    false,
    "The id is unknown, malformed, or belongs to somebody else.",
  ),
  "process-expired": type(
    410,
    "The process has expired",
    "yes",
    false,
    "Its result was kept for the configured time and is gone.",
  ),
  "rate-limited": type(429, "Too many requests", "no", true, "Retry after the time in Retry-After."),
  "over-budget": type(429, "The caller's share is used up", "no", true, "Let some of it end, and retry."),
  "validation-timeout": type(503, "The body takes too long to validate", "no", true, "Send a simpler body."),
  "queue-full": type(
    429,
    "The queue is full",
    "no",
    true,
    "The service's queue is full, or the request waited in it too long. Retry later.",
  ),
  "circuit-open": type(
    503,
    "The service's circuit is open",
    "no",
    true,
    "The service failed repeatedly and is given a pause. Retry later.",
  ),
  switching: type(
    503,
    "The service is being moved",
    "no",
    true,
    "Its clients are moved to another backend, and writes wait for that. Retry in a moment.",
  ),
  "authentication-unavailable": type(
    503,
    "The credential cannot be checked now",
    "no",
    true,
    "The keys or the service that tell who a client is do not answer, so nobody is let in. Retry later.",
  ),
  "store-unavailable": type(
    503,
    "The state store is unavailable",
    "no",
    true,
    "Without its store the gateway sends nothing that must not run twice. Retry later.",
  ),
  "rules-unknown": type(
    503,
    "This replica does not know the rules of the execution",
    null,
    true,
    "A configuration is being rolled out, and this replica does not have what the report has to be read or proven by. Report again later.",
  ),
  "service-unavailable": type(
    503,
    "No instance of the service is available",
    "no",
    true,
    "Every instance is down or drained. Retry later.",
  ),
  draining: type(
    503,
    "The gateway is shutting down",
    "no",
    true,
    "This replica takes no new work. Retry at once; another replica will answer.",
  ),
  "upstream-unreachable": type(
    502,
    "The service cannot be reached",
    "no",
    true,
    "No connection to the service could be made; it has not seen the request.",
  ),
  "upstream-invalid-response": type(
    502,
    "The service's response is invalid",
    "unknown",
    true,
    "The service answered with something that is not a complete HTTP response.",
  ),
  "execution-lost": type(
    502,
    "The execution was lost",
    "unknown",
    true,
    "The node that ran the request is gone, or its answer could not be stored.",
  ),
  "result-too-large": type(
    502,
    "The result is too large to be replayed",
    "yes",
    false,
    "The work ran; its response was larger than the route stores.",
  ),
  "upstream-timeout": type(
    504,
    "The service did not answer in time",
    "unknown",
    true,
    "The service may have run the request or may still be running it.",
  ),
  "no-stored-response": type(
    504,
    "No stored response may answer",
    "no",
    true,
    "The request wants only what is stored and nothing is; or what is stored must be validated and the service cannot be asked.",
  ),
  "deadline-exceeded": type(
    504,
    "The deadline has passed",
    "unknown",
    true,
    "The process did not end before its deadline.",
  ),
  "payload-too-large": type(
    413,
    "The payload is too large",
    "no",
    false,
    "The request's body is larger than the route allows.",
  ),
  "headers-too-large": type(
    431,
    "The header section is too large",
    "no",
    false,
    "Send fewer or smaller header fields.",
  ),
  "uri-too-long": type(414, "The request target is too long", "no", false, "Send a shorter request target."),
  "malformed-request": type(
    400,
    "The request is malformed",
    "no",
    false,
    "The request is not valid HTTP, or a field of it cannot be understood.",
  ),
  "path-invalid": type(
    400,
    "The path is invalid",
    "no",
    false,
    "The path cannot be normalised to one meaning: `..` segments, bad escapes, characters that do not belong there, encoded slashes or empty segments where the route does not allow them.",
  ),
  "malformed-json": type(
    400,
    "The JSON is malformed",
    "no",
    false,
    "The body is not JSON that can be read in one way only.",
  ),
  "method-not-allowed": type(
    405,
    "The method is not allowed here",
    "no",
    false,
    "See the Allow field for the methods of this resource.",
  ),
  "unsupported-media-type": type(
    415,
    "The media type is not supported",
    "no",
    false,
    "Send the media type that the resource expects.",
  ),
  "request-timeout": type(
    408,
    "The request did not arrive in time",
    "no",
    true,
    "The head or the body of the request came too slowly.",
  ),
  "expectation-failed": type(
    417,
    "The expectation cannot be met",
    "no",
    false,
    "Only Expect: 100-continue is understood.",
  ),
  "misdirected-request": type(
    421,
    "The request is misdirected",
    "no",
    false,
    "This gateway does not answer for the requested host.",
  ),
  "not-implemented": type(
    501,
    "Not implemented",
    "no",
    false,
    "The method or transfer coding is not implemented.",
  ),
  "version-not-supported": type(505, "The HTTP version is not supported", "no", false, "Speak HTTP/1.1."),
  "invalid-parameter": type(
    400,
    "A parameter is invalid",
    "no",
    false,
    "A query parameter or member has a value that is not allowed.",
  ),
  "precondition-failed": type(
    412,
    "The process has changed",
    "no",
    true,
    "It is not the version that If-Match names any more; look at it again before you act.",
  ),
  "plan-stale": type(
    409,
    "The plan is stale",
    "no",
    true,
    "What the plan was made for has changed; make a new one.",
  ),
  "csrf-rejected": type(
    403,
    "Cross-site request rejected",
    "no",
    false,
    "A page of another site asked for a change. Programs send neither Origin nor Sec-Fetch-Site; pages need an origin that `cors` allows.",
  ),
  unauthorized: type(401, "Unauthorized", "no", false, "The credential is missing or not valid for this."),
  forbidden: type(403, "Forbidden", "no", false, "This action is not allowed here."),
  "loop-detected": type(508, "Loop detected", "no", false, "The request has passed this gateway before."),
  "validation-failed": type(
    422,
    "The payload does not match the route's schema",
    "no",
    false,
    "The members listed in `errors` are missing or have the wrong shape; nothing was sent.",
  ),
  "internal-error": type(
    500,
    "Internal error",
    "unknown",
    false,
    "A fault of the gateway. It was logged under the requestId.",
  ),
} as const satisfies Record<string, ProblemType>;
