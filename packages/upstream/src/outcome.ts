/**
 * The outcome of one upstream request as a value: the RFC 9209 error type, and whether the service can have run it.
 * `executed` is "no" only when no byte of the request was handed to a connection, or the service refused the
 * connection; everything else that is not an answer is "unknown".
 */
import type { Readable } from "node:stream";

import type { HeaderList } from "@sticky-proxy/core/http";
import type { Instance } from "@sticky-proxy/core/registry";
import { CodedError, type ProblemSlug, type ProxyErrorType } from "@sticky-proxy/protocol";

export interface Responded {
  readonly kind: "responded";
  readonly status: number;
  /** End-to-end lines in the service's order and spelling: hop-by-hop and Sticky-* removed, Via added. */
  readonly headers: HeaderList;
  /** The service's Sticky-* fields by lower-case name: addressed to the gateway, never passed on. */
  readonly own: { readonly sticky: ReadonlyMap<string, string> };
  /** Must be read to its end or destroyed: until then it occupies a connection and a slot of the service. */
  readonly body: Readable;
  /** Trailer lines; complete when the body has ended. */
  readonly trailers: () => HeaderList;
  readonly instance: Instance;
  /** Set for a 503 with Retry-After; null: it said nothing of the kind. */
  readonly refusal: Refusal | null;
  /** From the dispatch to the response's head. */
  readonly ttfbMs: number;
}

/**
 * What a 503 with Retry-After leaves: other instances that did not say so, another connection to the same one, or
 * nothing for so many ms.
 */
export type Refusal =
  | { readonly kind: "others" }
  | { readonly kind: "again" }
  | { readonly kind: "nobody"; readonly ms: number };

export interface Failed {
  readonly kind: "failed";
  readonly executed: "no" | "unknown";
  readonly slug: ProblemSlug;
  /** RFC 9209 2.3 error type. */
  readonly proxyStatus: ProxyErrorType;
  /** One sentence for the client: names neither instance nor address. */
  readonly detail: string;
  /** null: no instance was chosen. */
  readonly instance: Instance | null;
  /** The caller's signal aborted the request. */
  readonly aborted: boolean;
  /** Seconds; null: not known. */
  readonly retryAfter: number | null;
  /** For logs only. */
  readonly cause: unknown;
}

export type UpstreamOutcome = Responded | Failed;

interface Meaning {
  readonly slug: ProblemSlug;
  readonly proxyStatus: ProxyErrorType;
  readonly detail: string;
}

const unreachable = (proxyStatus: ProxyErrorType, detail: string): Meaning => ({
  slug: "upstream-unreachable",
  proxyStatus,
  detail,
});
const invalid = (proxyStatus: ProxyErrorType, detail: string): Meaning => ({
  slug: "upstream-invalid-response",
  proxyStatus,
  detail,
});
const timedOut = (proxyStatus: ProxyErrorType, detail: string): Meaning => ({
  slug: "upstream-timeout",
  proxyStatus,
  detail,
});

const cut = invalid(
  "connection_terminated",
  "The service closed the connection before its response was complete.",
);
const refused = unreachable("connection_refused", "The service refused the connection.");
const noName = unreachable("dns_error", "The service's name cannot be resolved.");
const noRoute = unreachable("destination_ip_unroutable", "There is no route to the service.");
const connectTimeout = unreachable("connection_timeout", "The connection to the service took too long.");

const meanings: ReadonlyMap<string, Meaning> = new Map([
  ["ECONNREFUSED", refused],
  ["ENOTFOUND", noName],
  ["EAI_AGAIN", noName],
  ["EAI_FAIL", noName],
  ["EHOSTUNREACH", noRoute],
  ["ENETUNREACH", noRoute],
  ["EADDRNOTAVAIL", noRoute],
  ["EHOSTDOWN", noRoute],
  ["UND_ERR_CONNECT_TIMEOUT", connectTimeout],
  ["ETIMEDOUT", connectTimeout],
  [
    "ERR_TLS_FILES",
    unreachable("tls_certificate_error", "The files for TLS with the service cannot be used."),
  ],
  ["EPROTO", unreachable("tls_protocol_error", "The TLS handshake with the service failed.")],
  [
    "UND_ERR_HEADERS_TIMEOUT",
    timedOut("http_response_timeout", "The service did not begin to answer in time."),
  ],
  [
    "UND_ERR_BODY_TIMEOUT",
    timedOut("connection_read_timeout", "The service stopped in the middle of its response."),
  ],
  ["UND_ERR_SOCKET", cut],
  ["ECONNRESET", cut],
  ["EPIPE", cut],
  [
    "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
    invalid(
      "http_response_incomplete",
      "The service's response is shorter or longer than its Content-Length.",
    ),
  ],
  [
    "UND_ERR_HEADERS_OVERFLOW",
    invalid(
      "http_response_header_section_size",
      "The header section of the service's response is too large.",
    ),
  ],
  [
    "BODY_TOO_LARGE",
    {
      slug: "payload-too-large",
      proxyStatus: "http_request_error",
      detail: "The request's body is larger than allowed; the service saw only a part of it.",
    },
  ],
  [
    "REQUEST_CUT",
    {
      slug: "malformed-request",
      proxyStatus: "http_request_error",
      detail: "The request broke off.",
    },
  ],
  [
    "UND_ERR_INVALID_ARG",
    {
      slug: "internal-error",
      proxyStatus: "proxy_internal_error",
      detail: "The request could not be written.",
    },
  ],
]);

/** Codes of node:tls and OpenSSL about the peer's certificate. */
const certificateCode = /CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/;

/**
 * Maps an error of the connection or of undici to a failure. `sent`: the request was handed to a connection.
 * A parser error may have no `code`; it never counts as "not executed" then.
 */
export function failedBy(error: unknown, sent: boolean, instance: Instance | null): Failed {
  const meaning = meaningOf(error, sent);
  return {
    kind: "failed",
    executed: sent ? "unknown" : "no",
    ...meaning,
    instance,
    aborted: false,
    retryAfter: null,
    cause: error,
  };
}

function certificateFault(code: string): string {
  if (code === "CERT_HAS_EXPIRED") return "has expired";
  if (code === "CERT_NOT_YET_VALID") return "is not valid yet";
  if (code.includes("ALTNAME")) return "is for another name";
  if (/SELF_SIGNED|UNABLE_TO_/.test(code)) return "is of an authority that is not trusted";
  return "is not accepted";
}

function meaningOf(error: unknown, sent: boolean): Meaning {
  const code = codeOf(error);
  const known = meanings.get(code);
  if (known !== undefined) {
    // The peer ended the TLS or TCP handshake before the request was sent.
    if (!sent && known === cut)
      return unreachable("connection_terminated", "The connection to the service broke.");
    // The same code after the request was sent: the kernel gave up on an established connection.
    if (sent && known.slug === "upstream-unreachable") return cut;
    return known;
  }
  if (!sent) {
    if (certificateCode.test(code)) {
      return unreachable("tls_certificate_error", `The service's certificate ${certificateFault(code)}.`);
    }
    if (code.startsWith("ERR_SSL") || code.startsWith("ERR_TLS")) {
      return unreachable("tls_protocol_error", "The TLS handshake with the service failed.");
    }
    return unreachable("destination_unavailable", "No connection to the service could be made.");
  }
  return invalid("http_protocol_error", "The service's response is not valid HTTP.");
}

/** Whether the failure is the instance's, and not the client's, the caller's or the gateway's. */
export function isInstanceFault({ aborted, proxyStatus }: Failed): boolean {
  return !aborted && proxyStatus !== "http_request_error" && proxyStatus !== "proxy_internal_error";
}

/** Empty: it has none. Node wraps the errors of several tried addresses into one AggregateError. */
export function codeOf(error: unknown): string {
  if (error === null || typeof error !== "object") return "";
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  if (typeof code === "string") return code;
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return cause === undefined ? "" : codeOf(cause);
}

/** A failure of the gateway itself, before or instead of an attempt. */
export function failedWith(
  slug: ProblemSlug,
  proxyStatus: ProxyErrorType,
  detail: string,
  more: {
    executed?: "no" | "unknown";
    instance?: Instance | null;
    aborted?: boolean;
    retryAfter?: number | null;
  } = {},
): Failed {
  return {
    kind: "failed",
    executed: more.executed ?? "no",
    slug,
    proxyStatus,
    detail,
    instance: more.instance ?? null,
    aborted: more.aborted ?? false,
    retryAfter: more.retryAfter ?? null,
    cause: null,
  };
}

/** The error that destroys a truncated response body; carries the request's final outcome. */
export class UpstreamBodyError extends CodedError {
  override readonly name = "UpstreamBodyError";
  override readonly code = "UPSTREAM_BODY";
  readonly outcome: Failed;

  constructor(outcome: Failed) {
    super(outcome.detail, { cause: outcome.cause });
    this.outcome = outcome;
  }
}
