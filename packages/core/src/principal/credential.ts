/** The credential of a request: the values of the service's credential sources, and their keyed digest. Pure. */
import { createHmac, type BinaryLike, type KeyObject } from "node:crypto";
import { headerLines, type HeaderList } from "../http/message.ts";
import { keyIdIn } from "./key-id.ts";

/** Which of a request's values tell who asks. */
export interface CredentialRules {
  /** Lower-case header names, or "cookie.<name>" for one cookie; "cookie" for all of them but the ignored ones. */
  readonly credential: readonly string[];
  /** Names of cookies that tell nothing about who asks; a name may end in "*". */
  readonly ignoredCookies: readonly string[];
  /** Of a signature its key id counts (key-id.ts); default false: the whole value does. */
  readonly keyIds?: boolean;
}

/** @returns one value per source; null: the request has none. Several lines of a source count together. */
export function credentialValues(
  headers: HeaderList,
  { credential, ignoredCookies, keyIds = false }: CredentialRules,
): (string | null)[] {
  return credential.map((source) => {
    const values = source.startsWith("cookie.")
      ? cookieValues(headers, source.slice("cookie.".length))
      : source === "cookie"
        ? countedCookies(headers, ignoredCookies)
        : source === "authorization"
          ? headerLines(headers, source).map(withUsualScheme)
          : headerLines(headers, source);
    return values.length === 0 ? null : (keyIds ? values.map(keyIdIn) : values).join("\n");
  });
}

/**
 * A keyed digest of {@link credentialValues}. 43 base64url characters; "" when the request carries no credential at all.
 */
export function credentialDigest(secret: BinaryLike | KeyObject, values: readonly (string | null)[]): string {
  if (values.every((value) => value === null)) return "";
  const text = values.map((value) => (value === null ? "-;" : `${value.length}:${value};`)).join("");
  return createHmac("sha256", secret).update(`credential;${text}`).digest("base64url");
}

/** Whether a cookie of this name is one of `ignored`. */
export function isIgnoredCookie(name: string, ignored: readonly string[]): boolean {
  return ignored.some((rule) => (rule.endsWith("*") ? name.startsWith(rule.slice(0, -1)) : name === rule));
}

/** Cookie lines without the ignored cookies; a line without any stays as it came, octet for octet. */
function countedCookies(headers: HeaderList, ignored: readonly string[]): string[] {
  return headerLines(headers, "cookie").flatMap((line) => {
    const pairs = line.split(";");
    const counted = pairs.filter((pair) => !isIgnoredCookie(pair.split("=", 1)[0]!.trim(), ignored));
    if (counted.length === pairs.length) return [line];
    return counted.length === 0 ? [] : [counted.map((pair) => pair.trim()).join("; ")];
  });
}

function cookieValues(headers: HeaderList, name: string): string[] {
  const values: string[] = [];
  for (const line of headerLines(headers, "cookie")) {
    for (const pair of line.split(";")) {
      const at = pair.indexOf("=");
      if (at !== -1 && pair.slice(0, at).trim() === name) values.push(pair.slice(at + 1).trim());
    }
  }
  return values;
}

/** As clients spell them, so that most credentials are digested as they came. */
const usualSchemes: ReadonlyMap<string, string> = new Map(
  [
    "Bearer",
    "Basic",
    "Digest",
    "DPoP",
    "HOBA",
    "Hawk",
    "Mutual",
    "Negotiate",
    "OAuth",
    "Token",
    "ApiKey",
    "AWS4-HMAC-SHA256",
  ].map((scheme) => [scheme.toLowerCase(), scheme]),
);

/** RFC 9110 11.1: the case of an authentication scheme means nothing, nor do the blanks after it. */
function withUsualScheme(line: string): string {
  const [, scheme = "", rest = ""] = /^\s*([^\s]+)\s*(.*)$/s.exec(line) ?? [];
  const spelled = usualSchemes.get(scheme.toLowerCase()) ?? scheme.toLowerCase();
  return rest === "" ? scheme : `${spelled} ${rest}`;
}
