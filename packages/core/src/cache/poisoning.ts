/**
 * Request fields that change a response without being part of its key. On cached routes they never reach
 * the service unless the route makes them part of the variant: what cannot differ cannot poison.
 */
import type { HeaderList } from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";

export const unkeyed: ReadonlySet<string> = new Set([
  "forwarded",
  "x-forwarded-host",
  "x-forwarded-scheme",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-forwarded-prefix",
  "x-forwarded-server",
  "x-forwarded-ssl",
  "x-host",
  "x-original-host",
  "x-original-url",
  "x-rewrite-url",
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
  "front-end-https",
]);

/** The request without them. */
export function withoutUnkeyed(headers: HeaderList, policy: Pick<CachePolicy, "keyHeaders">): HeaderList {
  return headers.filter(([name]) => {
    const lower = name.toLowerCase();
    return !unkeyed.has(lower) || policy.keyHeaders.includes(lower);
  });
}
