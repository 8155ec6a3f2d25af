/**
 * Cache directives of requests and responses (RFC 9111 5.2), and the targeted form of RFC 9213.
 * A directive with an argument we cannot read counts as the most careful value, never as absent:
 * freshness that is invalid is staleness (4.2.1).
 */
import { headerLines, headerValue, type HeaderList } from "../http/message.ts";
import { isQuoted, isToken, splitList, unquote } from "@sticky-proxy/protocol/http";
import { parseDictionary, type BareItem } from "./structured.ts";

/** Lower-case name to argument as written without its quotes; null: no argument. */
export type Directives = ReadonlyMap<string, string | null>;

/** The largest span a directive can ask for, in seconds (RFC 9111 1.2.2). */
export const maxDeltaSeconds = 2 ** 31;

/** All Cache-Control lines as one list. Of two equal names the first counts, of two that restrict both (4.2.1). */
export function parseCacheControl(lines: readonly string[]): Directives {
  const directives = new Map<string, string | null>();
  for (const member of splitList(lines.join(","))) {
    for (const [name, argument] of directivesOf(member)) {
      if (!directives.has(name)) directives.set(name, argument);
      else if (qualified.has(name)) directives.set(name, both(directives.get(name) ?? null, argument));
    }
  }
  return directives;
}

const qualified: ReadonlySet<string> = new Set(["no-cache", "private"]);

/** Bare, or with an empty list, means all fields, and all and some are all. */
function both(one: string | null, other: string | null): string | null {
  const isAll = (list: string | null): boolean => list === null || splitList(list).length === 0;
  return isAll(one) || isAll(other) ? null : `${one},${other}`;
}

/** What a member that is no directive, like "private; max-age=60", still says: only what restricts. */
export const restricting: ReadonlySet<string> = new Set([
  "no-store",
  "no-cache",
  "private",
  "must-revalidate",
  "proxy-revalidate",
  "max-age",
  "s-maxage",
  "stale-while-revalidate",
  "stale-if-error",
]);

function directivesOf(member: string): (readonly [name: string, argument: string | null])[] {
  const [name = "", ...rest] = member.split("=");
  const argument = rest.length === 0 ? null : rest.join("=");
  const isPlain = argument === null || isQuoted(argument) || !/[\s;"]/.test(argument);
  if (isToken(name) && isPlain) return [[name.toLowerCase(), argument === null ? null : unquote(argument)]];
  return member.split(/[\s;"]+/).flatMap((word) => {
    const [directive = "", ...given] = word.toLowerCase().split("=");
    return restricting.has(directive) ? [[directive, given.length === 0 ? null : "invalid"]] : [];
  });
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
 * Absent: null. Bare, or with a list that is empty or names what is hardly a field: "all". Else the lower-case names.
 */
export function qualifiedFields(
  directives: Directives,
  name: "no-cache" | "private",
): "all" | readonly string[] | null {
  const argument = directives.get(name);
  if (argument === undefined) return null;
  if (argument === null) return "all";
  const names = splitList(argument).map((field) => field.toLowerCase());
  return names.length === 0 || names.some((field) => !/^[a-z0-9_-]+$/.test(field)) ? "all" : names;
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
      directives.set(name, value.type === "string" ? value.value : null);
    }
  }
  return directives;
}
