/** Fields the gateway writes on replies, and the counterparts that a client or the gateway itself reads. */
import { parseHttpDate } from "./http/http-date.ts";
import { tokenCharacters } from "./http/token.ts";

/** Retry-After in whole seconds (RFC 9110 10.2.3), at least 1: zero would invite a busy loop. */
export function formatRetryAfter(ms: number): string {
  return String(Math.max(1, Math.ceil(ms / 1000)));
}

const maxRetryAfterSeconds = 31_536_000;

/** Milliseconds from `now` (epoch ms), never negative, at most a year; null when the value is neither of the two forms. */
export function parseRetryAfter(value: string, now: number): number | null {
  const text = value.trim();
  if (/^[0-9]+$/.test(text)) return Math.min(Number(text), maxRetryAfterSeconds) * 1000;
  const at = parseHttpDate(text, now);
  return at === null ? null : Math.min(Math.max(0, at - now), maxRetryAfterSeconds * 1000);
}

export interface LinkValue {
  readonly target: string;
  /** "status", "result", "successor", … */
  readonly rel: string;
}

/** The Link field (RFC 8288). Targets are URL references that we made; a ">" in one would be a bug, so it is escaped. */
export function formatLinks(links: readonly LinkValue[]): string {
  return links.map(({ target, rel }) => `<${target.replaceAll(">", "%3E")}>; rel="${rel}"`).join(", ");
}

/** A process's version as entity tag, e.g. `"v7"`. */
export function formatVersionTag(version: number): string {
  return `"v${version}"`;
}

/** True when If-None-Match names this version or "*" (weak comparison, RFC 9110 13.1.2). */
export function matchesVersionTag(lines: readonly string[], version: number): boolean {
  const wanted = formatVersionTag(version);
  for (const line of lines) {
    if (line.trim() === "*") return true;
    // etagc has no quote, but it may have a comma: take the tags, do not cut at commas (RFC 9110 8.8.3).
    for (const [tag] of line.matchAll(/"[\x21\x23-\x7e\x80-\xff]*"/g)) if (tag === wanted) return true;
  }
  return false;
}

export interface ProxyStatus {
  /** Who speaks: the gateway's pseudonym. */
  readonly proxy: string;
  /** An error type of RFC 9209 2.3, e.g. "connection_timeout". */
  readonly error?: string;
  /** The status that the service sent, when there was one. */
  readonly receivedStatus?: number;
  readonly details?: string;
}

/** The Proxy-Status field (RFC 9209): one member of a structured-field List. */
/** The error types of RFC 9209 2.3 that the gateway speaks. */
export const proxyErrorTypes = [
  "dns_error",
  "destination_unavailable",
  "destination_ip_prohibited",
  "destination_ip_unroutable",
  "connection_refused",
  "connection_terminated",
  "connection_timeout",
  "connection_read_timeout",
  "connection_limit_reached",
  "tls_protocol_error",
  "tls_certificate_error",
  "http_request_error",
  "http_response_incomplete",
  "http_response_header_section_size",
  "http_response_transfer_coding",
  "http_response_timeout",
  "http_upgrade_failed",
  "http_protocol_error",
  "proxy_internal_response",
  "proxy_internal_error",
] as const;

export type ProxyErrorType = (typeof proxyErrorTypes)[number];

export function isProxyErrorType(word: string): word is ProxyErrorType {
  return (proxyErrorTypes as readonly string[]).includes(word);
}

export function formatProxyStatus(status: ProxyStatus): string {
  let text = tokenOrString(status.proxy);
  if (status.error !== undefined) text += `; error=${tokenOrString(status.error)}`;
  if (status.receivedStatus !== undefined) text += `; received-status=${status.receivedStatus}`;
  if (status.details !== undefined) text += `; details=${structuredString(status.details)}`;
  return text;
}

/** A structured-field Token (RFC 9651 4.1.7) where the text is one. */
function tokenOrString(text: string): string {
  return structuredToken.test(text) ? text : structuredString(text);
}

const structuredToken = new RegExp(`^[A-Za-z*][${tokenCharacters}:/]*$`);

/** A structured-field String (RFC 9651 4.1.6). It has no way to say other characters than printable ASCII: those become "?". */
export function structuredString(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, "\\$&")}"`;
}
