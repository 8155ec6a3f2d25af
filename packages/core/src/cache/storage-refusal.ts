/** Why a response may not be stored in a shared cache (RFC 9111 3). */
import { headerValue, type HeaderList, type RequestHead, type ResponseHead } from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";
import {
  qualifiedFields,
  requestDirectives,
  type Directives,
  type ResponseDirectives,
} from "./cache-control.ts";
import { isHeuristicallyCacheable } from "./freshness.ts";
import { localUri } from "./invalidation.ts";
import { partOf } from "./part.ts";
import { announcedLength } from "./storable-headers.ts";

export type NotStorable =
  | "method"
  | "request-no-store"
  | "status"
  | "no-store"
  | "private"
  | "set-cookie"
  | "authorization"
  /** It carries a credential, and nothing says that the response may be shared all the same. */
  | "credential"
  | "vary-star"
  | "no-freshness"
  | "too-large"
  | "headers-too-large"
  | "too-many-tags"
  | "path-too-deep";

/** Final status codes this cache understands (RFC 9111 3); 304 is absent because it is never stored (4.3.4). */
const understood: ReadonlySet<number> = new Set(
  [
    [200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 307, 308],
    [400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422],
    [423, 424, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 511],
  ].flat(),
);

/** The first reason that applies; null: nothing in the messages forbids storing (RFC 9111 3). */
export function refusalOf(
  request: RequestHead,
  response: ResponseHead,
  { directives, targeted }: ResponseDirectives,
  policy: CachePolicy,
  origins: readonly string[],
): NotStorable | null {
  if (request.method !== "GET" && !isReusablePost(request, response, directives, targeted, origins))
    return "method";
  if (requestDirectives(request.headers).has("no-store")) return "request-no-store";
  const { status } = response;
  if (status < 200 || status > 599 || status === 304) return "status";
  if (status === 206 && (policy.profile === "safe" || !isStorablePart(request, response))) return "status";
  if (status === 416 && headerValue(request.headers, "range") !== null) return "status";
  const mustUnderstand = directives.has("must-understand");
  if (mustUnderstand && !understood.has(status)) return "status";
  // RFC 9111 5.2.2.3: must-understand overrides no-store when the status code is understood.
  if (directives.has("no-store") && !mustUnderstand) return "no-store";
  if (qualifiedFields(directives, "private") === "all") return "private";
  if (policy.profile === "safe" && headerValue(response.headers, "set-cookie") !== null) return "set-cookie";
  if (headerValue(request.headers, "authorization") !== null && !allowsAuthorization(directives)) {
    return "authorization";
  }
  const storableByDefault =
    isHeuristicallyCacheable(status) ||
    policy.negativeTtlMs.has(status) ||
    isExplicit(response.headers, directives, targeted);
  return storableByDefault ? null : "no-freshness";
}

/** RFC 9111 3.3. Content-Length is required: without it a truncated part cannot be detected. */
function isStorablePart(request: RequestHead, { status, headers }: ResponseHead): boolean {
  const part = partOf(headers);
  if (status !== 206 || request.method !== "GET" || headerValue(request.headers, "range") === null)
    return false;
  return part !== null && announcedLength(headers) === part.last - part.first + 1;
}

function isExplicit(headers: HeaderList, directives: Directives, targeted: boolean): boolean {
  const named = ["public", "max-age", "s-maxage"];
  return (
    named.some((name) => directives.has(name)) || (!targeted && headerValue(headers, "expires") !== null)
  );
}

/** RFC 9110 9.3.3: explicit freshness, and Content-Location equal to the target URI. */
function isReusablePost(
  request: RequestHead,
  response: ResponseHead,
  directives: Directives,
  targeted: boolean,
  origins: readonly string[],
): boolean {
  if (request.method !== "POST" || response.status !== 200) return false;
  const fresh =
    directives.has("max-age") ||
    directives.has("s-maxage") ||
    (!targeted && headerValue(response.headers, "expires") !== null);
  const location = headerValue(response.headers, "content-location");
  if (!fresh || location === null) return false;
  const uri = localUri(location, request, origins);
  return uri !== null && uri.path === request.path && uri.query === request.query;
}

/** RFC 9111 3.5: public, s-maxage or must-revalidate allow storing a response to a request with Authorization. */
export function allowsAuthorization(directives: Directives): boolean {
  return directives.has("public") || directives.has("s-maxage") || directives.has("must-revalidate");
}
