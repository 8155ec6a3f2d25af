/** Which lines of a request the secondary gets (R17): credentials are dropped unless the route forwards them. */
import type { HeaderList } from "../http/message.ts";
import type { StoredRequest } from "../process/store.ts";
import type { MirrorPolicy } from "../registry/service.ts";
import { isSecretName } from "./redact.ts";

/** `credential`: what the primary's service counts as its credential, lower-case names (or "cookie.<name>"). */
export function secondaryHeaders(
  headers: HeaderList,
  credentials: "drop" | "forward",
  credential: readonly string[],
): HeaderList {
  if (credentials === "forward") return headers;
  return headers.filter(([name]) => !isCredential(name.toLowerCase(), credential));
}

/** By the service's word, or by its own: a cookie is one whatever it is called. */
export function isCredential(field: string, credential: readonly string[]): boolean {
  return credential.includes(field) || isSecretName(field);
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
