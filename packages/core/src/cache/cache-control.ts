/**
 * Cache directives of requests and responses (RFC 9111 5.2), and the targeted form of RFC 9213.
 * A directive with an argument we cannot read counts as the most careful value, never as absent:
 * freshness that is invalid is staleness (4.2.1).
 */
import { headerLines, headerValue, type HeaderList } from "../http/message.ts";
import { splitList, trimOws, unquote } from "./list.ts";
import { parseDictionary, type BareItem } from "./structured.ts";

/** Lower-case name to argument as written without its quotes; null: no argument. */
export type Directives = ReadonlyMap<string, string | null>;

/** The largest span a directive can ask for, in seconds (RFC 9111 1.2.2). */
export const maxDeltaSeconds = 2 ** 31;

/** All Cache-Control lines as one list. The first of two equal names wins (4.2.1). */
export function parseCacheControl(lines: readonly string[]): Directives {
  const directives = new Map<string, string | null>();
  for (const member of splitList(lines.join(","))) {
    const equals = member.indexOf("=");
    // "max-age =5" is no valid directive; under its trimmed name it still restricts, with an argument that counts as 0.
    const spaced = equals > 0 && trimOws(member.slice(0, equals)).length !== equals;
    const name = trimOws(equals === -1 ? member : member.slice(0, equals)).toLowerCase();
    if (name === "" || directives.has(name)) continue;
    directives.set(name, equals === -1 ? null : spaced ? "invalid" : unquote(member.slice(equals + 1)));
  }
  return directives;
}

/** The argument in whole seconds, at most 2^31. Anything but digits is 0; null when the directive is absent. */
export function deltaSeconds(directives: Directives, name: string): number | null {
  const argument = directives.get(name);
  if (argument === undefined) return null;
  if (argument === null || !/^[0-9]+$/.test(argument)) return 0;
  return Math.min(Number(argument), maxDeltaSeconds);
}

/**
 * `no-cache` and `private` may name fields (5.2.2.4, 5.2.2.7).
 * Absent: null. Bare, or with an empty list: "all". Else the lower-case names.
 */
export function qualifiedFields(
  directives: Directives,
  name: "no-cache" | "private",
): "all" | readonly string[] | null {
  const argument = directives.get(name);
  if (argument === undefined) return null;
  if (argument === null) return "all";
  const names = splitList(argument).map((field) => field.toLowerCase());
  return names.length === 0 ? "all" : names;
}

/** What a request asks of a cache. Pragma counts only where Cache-Control is absent (RFC 9111 5.4). */
export function requestDirectives(headers: HeaderList): Directives {
  const lines = headerLines(headers, "cache-control");
  if (lines.length > 0) return parseCacheControl(lines);
  const pragma = splitList(headerLines(headers, "pragma").join(","));
  return pragma.some((member) => member.toLowerCase() === "no-cache") ? noCacheOnly : none;
}

const none: Directives = new Map();
const noCacheOnly: Directives = new Map([["no-cache", null]]);

export interface ResponseDirectives {
  readonly directives: Directives;
  /** true: from CDN-Cache-Control, so Cache-Control and Expires do not count (RFC 9213 2.2). */
  readonly targeted: boolean;
}

/** A valid, non-empty CDN-Cache-Control replaces Cache-Control and Expires; any other is ignored whole. */
export function responseDirectives(headers: HeaderList): ResponseDirectives {
  if (headerValue(headers, "cdn-cache-control") !== null) {
    const members = parseDictionary(headerLines(headers, "cdn-cache-control").join(","));
    if (members !== null && members.size > 0)
      return { directives: targetedDirectives(members), targeted: true };
  }
  return { directives: parseCacheControl(headerLines(headers, "cache-control")), targeted: false };
}

const spans: ReadonlySet<string> = new Set([
  "max-age",
  "s-maxage",
  "stale-while-revalidate",
  "stale-if-error",
]);

/** Members of the dictionary as directives; a value of the wrong type is not consumed (RFC 9213 2.1). */
function targetedDirectives(members: ReadonlyMap<string, BareItem | null>): Directives {
  const directives = new Map<string, string | null>();
  for (const [name, value] of members) {
    if (value === null || value.type === "boolean") {
      if (value === null || value.value) directives.set(name, null);
    } else if (spans.has(name)) {
      if (value.type === "integer") directives.set(name, String(value.value));
    } else {
      directives.set(name, null);
    }
  }
  return directives;
}
