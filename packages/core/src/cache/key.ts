/**
 * The cache key: SHA-256 over what names the resource. HEAD and GET share it (RFC 9111 2).
 * The host is the configured one, never the client's word, unless the service is shown the client's Host.
 */
import { createHash } from "node:crypto";
import type { CachePolicy } from "../registry/service.ts";

export interface KeyParts {
  /** Digest of the principal; "" where the gateway does not authenticate. */
  readonly principal: string;
  readonly service: string;
  readonly scheme: string;
  readonly host: string;
  /** Normalised path as routed. */
  readonly path: string;
  /** Raw query without "?"; null when there is none. */
  readonly query: string | null;
}

/** 43 characters of base64url. */
export function cacheKey(parts: KeyParts, policy: Pick<CachePolicy, "query" | "apart">): string {
  const query = keyQuery(parts.query, policy);
  const hash = createHash("sha256");
  for (const part of [parts.principal, parts.service, parts.scheme, parts.host.toLowerCase(), parts.path]) {
    hash.update(`${part.length}:${part};`, "latin1");
  }
  if (policy.apart !== undefined) hash.update(`${policy.apart.length}:${policy.apart};`, "utf8");
  hash.update(query === null ? "-" : `?${query}`, "latin1");
  return hash.digest("base64url");
}

/** The query as it enters the key: parameters dropped and sorted as the route says, else byte for byte. */
export function keyQuery(query: string | null, { query: rules }: Pick<CachePolicy, "query">): string | null {
  if (query === null || (!rules.sort && rules.allow === null && rules.deny.length === 0)) return query;
  let parameters = query.split("&").filter((parameter) => {
    const name = parameterName(parameter);
    if (rules.deny.some((rule) => matches(rule, name))) return false;
    return rules.allow === null || rules.allow.some((rule) => matches(rule, name));
  });
  // Equal names keep their order: to the service "a=1&a=2" and "a=2&a=1" may differ.
  if (rules.sort) parameters = parameters.toSorted((a, b) => compare(parameterName(a), parameterName(b)));
  return parameters.length === 0 ? null : parameters.join("&");
}

function parameterName(parameter: string): string {
  const name = parameter.split("=", 1).join();
  try {
    return decodeURIComponent(name.replaceAll("+", " "));
  } catch {
    return name;
  }
}

function matches(rule: string, name: string): boolean {
  return rule.endsWith("*") ? name.startsWith(rule.slice(0, -1)) : name === rule;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
