/**
 * What a method promises, by the registry of RFC 9110 16.1.1 (and RFC 10008 for QUERY). A method that is not listed
 * promises nothing.
 */
export const safe: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "TRACE",
  "PRI",
  "PROPFIND",
  "QUERY",
  "REPORT",
  "SEARCH",
]);

/** Beside the safe ones, which are all idempotent (RFC 9110 9.2.2). */
export const idempotent: ReadonlySet<string> = new Set([
  "PUT",
  "DELETE",
  "ACL",
  "BASELINE-CONTROL",
  "BIND",
  "CHECKIN",
  "CHECKOUT",
  "COPY",
  "LABEL",
  "LINK",
  "MERGE",
  "MKACTIVITY",
  "MKCALENDAR",
  "MKCOL",
  "MKREDIRECTREF",
  "MKWORKSPACE",
  "MOVE",
  "ORDERPATCH",
  "PROPPATCH",
  "REBIND",
  "UNBIND",
  "UNCHECKOUT",
  "UNLINK",
  "UNLOCK",
  "UPDATE",
  "UPDATEREDIRECTREF",
  "VERSION-CONTROL",
]);

/** RFC 9110 9.2.1: asks for nothing to be changed. */
export function isSafe(method: string): boolean {
  return safe.has(method);
}

/** RFC 9110 9.2.2: sent twice it does what it does once. */
export function isIdempotent(method: string): boolean {
  return safe.has(method) || idempotent.has(method);
}
