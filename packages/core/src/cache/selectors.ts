/**
 * What a purge selects stored responses by. Every stored response carries the selectors it answers to,
 * and a purge is one number per selector: older than the number means gone (or stale, when soft).
 */
import { headerLines, type HeaderList } from "../http/message.ts";
import { parseStringList } from "./structured.ts";

export type PurgeTarget =
  | { readonly kind: "all" }
  | { readonly kind: "service"; readonly service: string }
  /** A path prefix at segment ends: "/a" takes "/a" and "/a/b", not "/ab". */
  | { readonly kind: "prefix"; readonly service: string; readonly path: string }
  | { readonly kind: "tag"; readonly tag: string }
  /** RFC 9875: groups belong to one origin, here one service. */
  | { readonly kind: "group"; readonly service: string; readonly group: string };

/**
 * Content systems name hundreds: a field of 16 KiB holds 3,000 short ones. With more the response is not stored: the scripts
 * take all generations of a response at once, two for each tag, and Lua passes at most 8,000 values to a call.
 */
export const maxTags = 3000;
export const maxSegments = 16;
const maxSelectorLength = 1024;

/** null: longer than any stored response could carry, so it selects nothing. */
export function selectorOf(target: PurgeTarget): string | null {
  const selector = selectorText(target);
  return selector.length > maxSelectorLength ? null : selector;
}

function selectorText(target: PurgeTarget): string {
  switch (target.kind) {
    case "all":
      return "a";
    case "service":
      return `v:${target.service}`;
    case "prefix":
      return `p:${target.service}:${trimSlash(target.path)}`;
    case "tag":
      return `t:${target.tag}`;
    case "group":
      return `r:${target.service}:${target.group}`;
  }
}

function trimSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

export type Selectors =
  | { readonly ok: true; readonly selectors: readonly string[] }
  | { readonly ok: false; readonly reason: "too-many-tags" | "path-too-deep" };

/** The selectors of a response of this service at this path. Too many make it unstorable: a purge must be exact. */
export function selectorsOf(service: string, path: string, headers: HeaderList, tags: boolean): Selectors {
  const prefixes = prefixesOf(path);
  if (prefixes.length > maxSegments + 1) return { ok: false, reason: "path-too-deep" };
  const named: PurgeTarget[] = cacheGroups(headers, "cache-groups").map((group) => ({
    kind: "group",
    service,
    group,
  }));
  if (tags) for (const tag of tagsOf(headers)) named.push({ kind: "tag", tag });
  if (named.length > maxTags) return { ok: false, reason: "too-many-tags" };
  const targets: PurgeTarget[] = [
    { kind: "all" },
    { kind: "service", service },
    ...prefixes.map((prefix): PurgeTarget => ({ kind: "prefix", service, path: prefix })),
    ...named,
  ];
  const selectors = targets.map(selectorText);
  if (selectors.some((selector) => selector.length > maxSelectorLength)) {
    return { ok: false, reason: "too-many-tags" };
  }
  return { ok: true, selectors: [...new Set(selectors)] };
}

/** "/a/b" → "/", "/a", "/a/b". */
function prefixesOf(path: string): string[] {
  const prefixes = ["/"];
  let at = path.indexOf("/", 1);
  while (at !== -1 && prefixes.length <= maxSegments + 1) {
    prefixes.push(path.slice(0, at));
    at = path.indexOf("/", at + 1);
  }
  if (path.length > 1 && !path.endsWith("/")) prefixes.push(path);
  return prefixes;
}

/** Surrogate-Key is split at spaces, Cache-Tag at commas; both forms of both are understood. */
function tagsOf(headers: HeaderList): string[] {
  const text = [...headerLines(headers, "surrogate-key"), ...headerLines(headers, "cache-tag")].join(",");
  return [...new Set(text.split(/[\s,]+/).filter((tag) => tag !== ""))];
}

/** Cache-Groups or Cache-Group-Invalidation (RFC 9875): a list of strings; an invalid field counts as absent. */
export function cacheGroups(
  headers: HeaderList,
  name: "cache-groups" | "cache-group-invalidation",
): readonly string[] {
  const lines = headerLines(headers, name);
  return lines.length === 0 ? [] : (parseStringList(lines.join(",")) ?? []);
}

/** The tags among a stored response's selectors, for look-up. */
export function selectorTags(selectors: readonly string[]): string[] {
  return selectors.filter((selector) => selector.startsWith("t:")).map((selector) => selector.slice(2));
}
