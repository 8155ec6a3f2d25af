/** A failed exchange in the words of the access line. */
import type { ProblemSlug, ProxyErrorType } from "@sticky-proxy/protocol";
import { codeOf, type Failed } from "./outcome.ts";

const reasons: Readonly<Partial<Record<ProxyErrorType, string>>> = {
  dns_error: "dns",
  destination_ip_prohibited: "address-refused",
  destination_ip_unroutable: "no-route",
  destination_unavailable: "unreachable",
  connection_refused: "refused",
  connection_terminated: "reset",
  connection_timeout: "timeout",
  connection_read_timeout: "timeout",
  http_response_timeout: "timeout",
  tls_protocol_error: "tls",
  tls_certificate_error: "certificate",
  http_request_error: "request",
  http_response_incomplete: "cut",
};
const reasonsOfSlugs: Readonly<Partial<Record<ProblemSlug, string>>> = {
  "circuit-open": "circuit-open",
  "queue-full": "queue-full",
  "service-unavailable": "no-instance",
  "payload-too-large": "request",
};

/** A failure as operators read it. */
export interface FailureSeen {
  /** RFC 9209 2.3. */
  readonly error: ProxyErrorType;
  /** A word: refused, dns, certificate, tls, reset, timeout … */
  readonly reason: string;
  /** Of the system, of TLS or of the HTTP client; null: none of them failed. */
  readonly code: string | null;
}

export function failureSeen({ slug, proxyStatus, aborted, cause }: Failed): FailureSeen {
  const code = codeOf(cause);
  const reason = aborted ? "given-up" : (reasonsOfSlugs[slug] ?? reasons[proxyStatus] ?? "invalid-response");
  return { error: proxyStatus, reason, code: code === "" ? null : code };
}
