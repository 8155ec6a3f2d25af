/** Fields that belong to one connection, not to the message (RFC 9110 7.6.1). */
export const connectionFields: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

/** Fields between a client and the proxy next to it (RFC 9110 11.7): they go no further either. */
export const proxyAuthenticationFields: ReadonlySet<string> = new Set([
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-authentication-info",
]);

/** `name` in lower case. */
export function isHopByHop(name: string): boolean {
  return connectionFields.has(name) || proxyAuthenticationFields.has(name);
}
