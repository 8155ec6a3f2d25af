/** Which of a request's values tell who asks, by its service and route. */
import { headerLines, type HeaderList } from "../http/message.ts";
import type { Route, Service } from "../registry/service.ts";
import type { CredentialRules } from "./credential.ts";

/** @param route null: none matches */
export function credentialRules(
  { credential, ignoredCookies }: Pick<Service, "credential" | "ignoredCookies">,
  route: Pick<Route, "cookies" | "signatures"> | null,
): CredentialRules {
  const isCookie = (source: string): boolean => source === "cookie" || source.startsWith("cookie.");
  return {
    credential: route?.cookies === "ignore" ? credential.filter((source) => !isCookie(source)) : credential,
    ignoredCookies,
    keyIds: route?.signatures === "key-id",
  };
}

/** The request as if its client had no cookies but those of the cache's key: what cannot be seen cannot make a page private. */
export function withoutCookies(headers: HeaderList, kept: readonly string[]): HeaderList {
  if (headerLines(headers, "cookie").length === 0) return headers;
  return headers.flatMap(([name, value]) => {
    if (name.toLowerCase() !== "cookie") return [[name, value] as const];
    const pairs = value.split(";").map((pair) => pair.trim());
    const left = pairs.filter((pair) => kept.includes(pair.split("=", 1)[0]!.trim()));
    return left.length === 0 ? [] : [[name, left.join("; ")] as const];
  });
}
