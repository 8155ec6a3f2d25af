/**
 * Which of several stored responses a request selects (RFC 9111 4.1).
 * The route's own picks (`keyHeaders`, `keyCookies` as "cookie.<name>") select in the same way as Vary does,
 * so one key stands for one URI and a purge of the key takes all its variants.
 */
import { createHash } from "node:crypto";
import { headerLines, type HeaderList } from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";
import { isToken, splitList, trimOws } from "@sticky-proxy/protocol/http";

/** Fields that the gateway writes anew for each request: by them no two requests are alike. */
export const perRequest: ReadonlySet<string> = new Set([
  "forwarded",
  "traceparent",
  "tracestate",
  "x-forwarded-for",
  "x-real-ip",
  "x-request-id",
]);

/**
 * The sorted lower-case names of all Vary lines; null: "*", a name that is as good as "*", or none at all ("a; b"):
 * no request has such a field, so by it all would be alike.
 */
export function varyNames(headers: HeaderList): string[] | null {
  const names = new Set(splitList(headerLines(headers, "vary").join(",")).map((name) => name.toLowerCase()));
  const sorted = [...names].toSorted();
  return sorted.some((name) => name === "*" || perRequest.has(name) || !isToken(name)) ? null : sorted;
}

/** Vary and the route's picks together, sorted; null for "*". */
export function selectingNames(
  headers: HeaderList,
  policy: Pick<CachePolicy, "keyHeaders" | "keyCookies">,
): string[] | null {
  const names = varyNames(headers);
  if (names === null) return null;
  const picks = [...policy.keyHeaders, ...policy.keyCookies.map((name) => `cookie.${name}`)];
  return [...new Set([...names, ...picks])].toSorted();
}

/** Selects a stored part: by it every request of a range is alike, so a key has one part for each of its variants. */
export const partName = "range.part";

/** Of several stored responses that a request selects: those with Vary first (4.1), a part last. */
export function preference(varyNames: readonly string[]): 0 | 1 | 2 {
  if (varyNames.includes(partName)) return 2;
  return varyNames.length > 0 ? 0 : 1;
}

/** An id for (names, the request's normalised values for them); "" is the variant that selects by nothing. */
export function variantOf(request: HeaderList, names: readonly string[]): string {
  if (names.length === 0) return "";
  const hash = createHash("sha256");
  for (const name of names) {
    const value = selectingValue(request, name);
    hash.update(`${name.length}:${name}=${value === null ? "-" : `${value.length}:${value}`};`, "latin1");
  }
  return hash.digest("base64url").slice(0, 22);
}

/** The request's value for a selecting name, normalised as far as its meaning stays the same; null: absent. */
export function selectingValue(request: HeaderList, name: string): string | null {
  if (name.startsWith("cookie.")) return cookieValue(request, name.slice("cookie.".length));
  if (name === partName) return headerLines(request, "range").length > 0 ? "" : null;
  const lines = headerLines(request, name);
  if (lines.length === 0) return null;
  const members = splitList(lines.join(","));
  if (unordered.has(name)) return [...new Set(members.map(weighted))].toSorted().join(",");
  if (name === "accept") return members.map(spaceless).join(",");
  return members.join(",");
}

/** Case-insensitive fields whose order means nothing (RFC 9110 12.5.2 to 12.5.4). */
const unordered: ReadonlySet<string> = new Set(["accept-charset", "accept-encoding", "accept-language"]);

/** "text/html ; level=1" → "text/html;level=1". The order stays: services do choose by it. */
function spaceless(range: string): string {
  return range.replaceAll(/"(?:[^"\\]|\\.)*"|[ \t]*;[ \t]*/g, (part) => (part.startsWith('"') ? part : ";"));
}

/** "GZIP ; q=1.000" → "gzip"; "de;q=0.50" → "de;q=0.5". Both fields are case-insensitive, their order means nothing. */
function weighted(member: string): string {
  const [coding = "", ...parameters] = member.toLowerCase().split(";").map(trimOws);
  const kept = parameters.map((parameter) => {
    const q = /^q=([01](?:\.[0-9]{0,3})?)$/.exec(parameter);
    return q === null ? parameter : `q=${Number(q[1])}`;
  });
  return [coding, ...kept.filter((parameter) => parameter !== "q=1")].join(";");
}

/** The value of the first cookie of that name (case-sensitive), or null. */
export function cookieValue(request: HeaderList, name: string): string | null {
  for (const pair of headerLines(request, "cookie").join(";").split(";")) {
    const equals = pair.indexOf("=");
    if (equals !== -1 && trimOws(pair.slice(0, equals)) === name) return trimOws(pair.slice(equals + 1));
  }
  return null;
}
