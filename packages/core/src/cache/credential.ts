/**
 * Whether a response may be shared with a request that carries a credential: a field or cookie that the service names in
 * `credential`. Pure.
 *
 *   a lifetime that we chose (default, heuristic, negative)    never: the service has not said that the page is everybody's
 *   Authorization, and fields that the operator names          only with public, s-maxage or must-revalidate (RFC 9111 3.5)
 *   Cookie as a whole (the default)                            with any lifetime that the service itself gives
 *
 * Fields and cookies of the cache key do not count: the key tells their requests apart. Ignored cookies do not count
 * either: they do not identify a user to the service.
 */
import { headerLines, type HeaderList } from "../http/message.ts";
import { isIgnoredCookie } from "../principal/credential.ts";
import type { CachePolicy } from "../registry/service.ts";
import type { StoredMetadata } from "./stored-metadata.ts";
import { cookieValue } from "./variant.ts";

export type Credential =
  /** No field of the credential. */
  | "none"
  | "cookie"
  /** Authorization, a named field or a named cookie. */
  | "named";

type Keyed = Pick<CachePolicy, "credential" | "ignoredCookies" | "keyHeaders" | "keyCookies">;

export function credentialOf(headers: HeaderList, policy: Keyed): Credential {
  let found: Credential = headerLines(headers, "authorization").length > 0 ? "named" : "none";
  for (const source of policy.credential) {
    if (source === "cookie") {
      if (found === "none" && hasCookie(headers, policy)) found = "cookie";
    } else if (source.startsWith("cookie.")) {
      const name = source.slice("cookie.".length);
      if (!policy.keyCookies.includes(name) && cookieValue(headers, name) !== null) found = "named";
    } else if (!policy.keyHeaders.includes(source) && headerLines(headers, source).length > 0)
      found = "named";
  }
  return found;
}

/** @param lifetimeFrom where the lifetime comes from; "none": the response is not fresh by itself */
export function mayShareWith(
  credential: Credential,
  { lifetimeFrom, sharedWithAuthorization }: Pick<StoredMetadata, "lifetimeFrom" | "sharedWithAuthorization">,
): boolean {
  if (credential === "none" || sharedWithAuthorization) return true;
  return credential === "cookie" && !chosenByUs.has(lifetimeFrom);
}

const chosenByUs: ReadonlySet<StoredMetadata["lifetimeFrom"]> = new Set(["default", "heuristic", "negative"]);

function hasCookie(headers: HeaderList, { keyCookies, ignoredCookies }: Keyed): boolean {
  return headerLines(headers, "cookie").some((line) =>
    line.split(";").some((pair) => {
      const name = pair.split("=", 1)[0]!.trim();
      return name !== "" && !isIgnoredCookie(name, ignoredCookies) && !keyCookies.includes(name);
    }),
  );
}
