/**
 * What of a request for a cached page reaches the service: what cannot shape the page without being part of its key.
 *
 *   query     the parameters of the key, in its order
 *   fields    none that frameworks are known to build pages by behind the key's back, unless the route makes it part of
 *             the key; with `forwardHeaders: keyed-only` none but those of the key and of the cache's own protocol
 */
import { isProvenance, isWithheld } from "../http/header-rules.ts";
import type { HeaderLine, RequestHead } from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";
import { keyQuery } from "./key.ts";

/** Other words for scheme, host and path that some service takes, and the inner words of frameworks. */
export const unkeyed: ReadonlySet<string> = new Set([
  "base-url",
  "front-end-https",
  "next-url",
  "request-uri",
  "rsc",
  "x-arr-ssl",
  "x-envoy-original-host",
  "x-envoy-original-path",
  "x-host",
  "x-host-override",
  "x-http-host-override",
  "x-http-path-override",
  "x-matched-path",
  "x-now-route-matches",
  "x-original-path",
  "x-original-uri",
  "x-prerender-revalidate",
  "x-proxy-url",
  "x-replaced-path",
  "x-rewrite-uri",
  "x-scheme",
  "x-script-name",
  "x-url-scheme",
  "x-vercel-original-path",
]);

const unkeyedPrefixes = ["x-middleware-", "x-invoke-", "x-nextjs-", "next-router-", "x-original-forwarded-"];

/** Fields of the cache's own protocol and of loop detection: the gateway answers by them, or writes them anew. */
export const protocol: ReadonlySet<string> = new Set([
  "cache-control",
  "cdn-loop",
  "content-length",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "pragma",
  "range",
  "te",
  "traceparent",
  "tracestate",
  "transfer-encoding",
  "via",
  "x-request-id",
]);

type Sent = Pick<CachePolicy, "query" | "keyHeaders" | "keyCookies" | "bypass" | "forwardHeaders">;

/**
 * The head as the service gets it, by which variants are chosen too.
 * @param trustedPeer the peer is a proxy of ours, whose X-Forwarded-For is continued
 */
export function keyedHead(head: RequestHead, policy: Sent, trustedPeer: boolean): RequestHead {
  const headers: HeaderLine[] = [];
  for (const line of head.headers) {
    const sent = sentLine(line, policy, trustedPeer);
    if (sent !== null) headers.push(sent);
  }
  return { ...head, query: keyQuery(head.query, policy), headers };
}

/**
 * Whether `head` went to the service with nothing that its key leaves out: only then may an answer to it be stored that
 * was not fetched by {@link keyedHead}. What our own proxies say of the client does not count.
 */
export function isKeyed(head: RequestHead, policy: Sent): boolean {
  if (keyQuery(head.query, policy) !== head.query) return false;
  return head.headers.every(
    (line) => isProvenance(line[0].toLowerCase()) || sentLine(line, policy, true) === line,
  );
}

/** null: not sent. */
function sentLine(line: HeaderLine, policy: Sent, trustedPeer: boolean): HeaderLine | null {
  const name = line[0].toLowerCase();
  if (isWithheld(name, trustedPeer)) return null;
  if (policy.keyHeaders.includes(name)) return line;
  if (name === "x-forwarded-for") return line;
  if (policy.forwardHeaders === "keyed-only") {
    if (name === "cookie") return keyedCookies(line, policy);
    return protocol.has(name) || (name === "authorization" && policy.bypass.authorization) ? line : null;
  }
  const isUnkeyed =
    unkeyed.has(name) || isProvenance(name) || unkeyedPrefixes.some((prefix) => name.startsWith(prefix));
  return isUnkeyed ? null : line;
}

/** The cookies of the key, and those by which the cache is bypassed. */
function keyedCookies([name, value]: HeaderLine, { keyCookies, bypass }: Sent): HeaderLine | null {
  const kept = value.split(";").filter((pair) => {
    const cookie = pair.split("=", 1)[0]!.trim();
    return keyCookies.includes(cookie) || bypass.cookies.includes(cookie);
  });
  return kept.length === 0 ? null : [name, kept.map((pair) => pair.trim()).join("; ")];
}
