/**
 * Pages of other origins: what a browser may be told to let them read and send (Fetch, "CORS protocol"), and which calls
 * that change something they may not cause at all. Pure.
 */
import { fields } from "@sticky-proxy/protocol";
import { headerLines, headerValue, type HeaderLine, type HeaderList } from "./message.ts";

export interface CorsPolicy {
  /** Lower-case origins; "*" is every one, "https://*.example.com" every one below that name. */
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  /** Lower-case request fields; "*" is every one. */
  readonly headers: readonly string[];
  /** Response fields that pages may read besides the gateway's own. */
  readonly exposeHeaders: readonly string[];
  /** Cookies and the browser's own credentials go along; never with "*". */
  readonly credentials: boolean;
  readonly maxAgeMs: number;
}

/** Of the gateway, and what pages need to poll, retry and validate. */
const exposed: readonly string[] = [
  "Location",
  "Content-Location",
  "ETag",
  "Link",
  "Age",
  "RateLimit",
  "RateLimit-Policy",
  "WWW-Authenticate",
  fields.retryAfter,
  fields.idempotentReplayed,
  fields.idempotencyExpires,
  fields.preferenceApplied,
  fields.proxyStatus,
  fields.cacheStatus,
  fields.xCache,
  fields.xRequestId,
  fields.stickyProcessId,
  fields.stickyProcessStatus,
  fields.stickySource,
  fields.stickyOwner,
];

/** A browser asks before it sends what a form could not: OPTIONS with Origin and Access-Control-Request-Method. */
export function isPreflight(method: string, headers: HeaderList): boolean {
  return (
    method === "OPTIONS" &&
    headerValue(headers, "origin") !== null &&
    headerValue(headers, "access-control-request-method") !== null
  );
}

export function allowsOrigin({ origins }: Pick<CorsPolicy, "origins">, origin: string): boolean {
  const asked = origin.toLowerCase();
  return origins.some((rule) => {
    const star = rule.indexOf("*.");
    if (rule === "*" || star === -1) return rule === "*" || rule === asked;
    const [scheme, rest] = [rule.slice(0, star), rule.slice(star + 1)];
    return (
      asked.startsWith(scheme) &&
      asked.endsWith(rest) &&
      /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/.test(asked.slice(scheme.length, asked.length - rest.length))
    );
  });
}

/** The answer's fields to a preflight; null: the origin is not allowed. */
export function preflightFields(policy: CorsPolicy, headers: HeaderList): HeaderLine[] | null {
  const origin = headerValue(headers, "origin");
  if (origin === null || !allowsOrigin(policy, origin)) return null;
  const asked = headerLines(headers, "access-control-request-headers").join(",");
  const allowed = policy.headers.includes("*") ? asked : policy.headers.join(", ");
  return [
    ["Access-Control-Allow-Methods", policy.methods.join(", ")],
    ...(allowed === "" ? [] : [["Access-Control-Allow-Headers", allowed] as const]),
    ["Access-Control-Max-Age", String(Math.floor(policy.maxAgeMs / 1000))],
    ["Vary", "Access-Control-Request-Method, Access-Control-Request-Headers"],
  ];
}

/** A response's lines with the policy's fields in place of the service's own. */
export function withCors(lines: HeaderList, policy: CorsPolicy, request: HeaderList): HeaderLine[] {
  const kept = lines.filter(([name]) => {
    const lower = name.toLowerCase();
    return !lower.startsWith("access-control-") || preflightAnswers.has(lower);
  });
  const origin = headerValue(request, "origin");
  const isForAll = policy.origins.includes("*") && !policy.credentials;
  // Shared caches behind us tell the origins apart also where this request has none.
  const vary: HeaderLine[] = isForAll ? [] : [["Vary", "Origin"]];
  if (origin === null || !allowsOrigin(policy, origin)) return [...kept, ...vary];
  return [
    ...kept,
    ["Access-Control-Allow-Origin", isForAll ? "*" : origin],
    ...(policy.credentials ? [["Access-Control-Allow-Credentials", "true"] as const] : []),
    ["Access-Control-Expose-Headers", [...exposed, ...policy.exposeHeaders].join(", ")],
    ...vary,
  ];
}

/** Written by {@link preflightFields} alone: a service's words on preflights stand in no other answer. */
const preflightAnswers: ReadonlySet<string> = new Set([
  "access-control-allow-methods",
  "access-control-allow-headers",
  "access-control-max-age",
]);

/**
 * Whether a page of another origin caused this call (as Fetch metadata and Origin tell); a program sends neither field.
 * @param hosts our own, with their ports, as Host or publicUrl name them
 * @param policy null: no other origin may
 */
export function isCrossSite(
  headers: HeaderList,
  hosts: readonly string[],
  policy: Pick<CorsPolicy, "origins"> | null,
): boolean {
  const origin = headerValue(headers, "origin");
  const site = headerValue(headers, "sec-fetch-site")?.trim().toLowerCase() ?? null;
  if (origin !== null && policy !== null && allowsOrigin(policy, origin)) return false;
  if (site !== null) return site !== "same-origin" && site !== "none";
  if (origin === null) return false;
  const asked = URL.canParse(origin) ? new URL(origin) : null;
  return asked === null || !hosts.some((host) => isHostOf(asked, host));
}

/** A port that the origin's scheme implies may stand in the host or not. */
function isHostOf({ host, hostname, protocol, port }: URL, ours: string): boolean {
  const name = ours.toLowerCase();
  const implied = protocol === "https:" ? "443" : "80";
  return name === host || (port === "" && name === `${hostname}:${implied}`);
}
