/**
 * Which lines of a request the secondary gets: credentials are dropped unless the route forwards them (R17), and
 * conditions always, whose versions are the primary's (R18).
 */
import type { HeaderList } from "../http/message.ts";
import type { StoredRequest } from "../process/store.ts";
import type { MirrorPolicy } from "../registry/service.ts";
import { isCondition } from "./conditions.ts";
import { isSecretName } from "./redact.ts";

/** `credential`: what the primary's service counts as its credential, lower-case names (or "cookie.<name>"). */
export function secondaryHeaders(
  headers: HeaderList,
  credentials: "drop" | "forward",
  credential: readonly string[],
): HeaderList {
  return headers.filter(([name]) => {
    const field = name.toLowerCase();
    return !isCondition(field) && (credentials === "forward" || !isCredential(field, credential));
  });
}

/**
 * Fields that prove who the client is and do not say "token" or "secret": keys of API gateways, assertions of identity
 * proxies, client certificates (RFC 9440), DPoP proofs (RFC 9449), signatures (RFC 9421), users named by a proxy.
 */
const proofs: readonly RegExp[] = [
  /(?:subscription|access|app|application|auth|client|consumer|account|user|master|admin|licen[cs]e|functions?|service|shared|security)[-_]?key/,
  /assertion|jwt|saml|oidc|client-?principal|user-?info|authenticated-user|signature|hmac|[cx]srf/,
  /client-?cert|(?:ssl|tls)-client|^x-ssl-|^client-cert/,
  /(?:^|[-_])(?:pass|passcode|passphrase|auth|authentication|otp|totp|mfa|dpop|sso|sid|ticket|credentials?)(?:[-_]|$)/,
  /^(?:x-)?remote-(?:user|group|extra)|^x-forwarded-(?:user|email|groups|preferred-username)/,
];

/** By the service's word, or by its own: a cookie is one whatever it is called. `field` is lower-case. */
export function isCredential(field: string, credential: readonly string[]): boolean {
  return credential.includes(field) || isSecretName(field) || proofs.some((proof) => proof.test(field));
}

/**
 * What is kept of a request that only its copy needs: credentials are not at rest for a secondary that must not get
 * them. The field that orders copies stays; configurations name no credential there.
 */
export function requestToCopy(
  request: StoredRequest,
  { orderKey }: Pick<MirrorPolicy, "orderKey">,
  credential: readonly string[],
): StoredRequest {
  const { headers } = request.head;
  const kept = new Set(secondaryHeaders(headers, "drop", credential));
  const orders = orderKey !== null && "header" in orderKey ? orderKey.header : null;
  const lines = headers.filter((line) => kept.has(line) || line[0].toLowerCase() === orders);
  return { ...request, head: { ...request.head, headers: lines }, lacksCredentials: true };
}
