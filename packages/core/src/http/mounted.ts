/**
 * A service below a prefix names its own paths without it. What it tells clients to go to is mapped to where they find
 * it; what they tell it of its own resources is mapped back. Results are path-absolute references (RFC 3986 4.2), so that
 * one stored response is right at every public host. Pure.
 */
import { splitList } from "@sticky-proxy/protocol/http";
import type { HeaderLine, HeaderList } from "./message.ts";

export interface Mount {
  /** Path prefix at segment ends; "/": none. */
  readonly prefix: string;
  /** Authorities, lower-case, that are the service's own: those of its instances. */
  readonly own: ReadonlySet<string>;
  /** Authority of the request, whose absolute references stay absolute. */
  readonly host: string;
}

/** The same list where nothing in it names a place of the service's. */
export function mountedHeaders(headers: HeaderList, mount: Mount): HeaderList {
  let changed: HeaderLine[] | null = null;
  for (const [i, line] of headers.entries()) {
    const value = mounted(line[0].toLowerCase(), line[1], mount);
    if (value === line[1]) continue;
    changed ??= [...headers];
    changed[i] = [line[0], value];
  }
  return changed ?? headers;
}

function mounted(name: string, value: string, mount: Mount): string {
  switch (name) {
    case "location":
    case "content-location":
      return publicReference(value, mount);
    case "link":
      return value.replace(/<([^<>]*)>/g, (_, target: string) => `<${publicReference(target, mount)}>`);
    case "refresh":
      return value.replace(
        /^(\s*\d+(?:\.\d*)?\s*[;,]\s*url\s*=\s*)(["']?)([^"']*)\2(\s*)$/i,
        (_, before: string, quote: string, target: string, after: string) =>
          before + quote + publicReference(target, mount) + quote + after,
      );
    case "set-cookie":
      return publicCookie(value, mount.prefix);
    default:
      return value;
  }
}

/** A reference of the service as its clients have to follow it; relative ones lead there by themselves. */
export function publicReference(reference: string, { prefix, own, host }: Mount): string {
  const found = /^(?:(https?):)?\/\/([^/?#]*)(.*)$/i.exec(reference);
  if (found === null) return reference.startsWith("/") ? below(prefix, reference) : reference;
  const [, scheme = "", authority = "", rest = ""] = found;
  const path = rest.startsWith("/") ? rest : `/${rest}`;
  const named = authority.toLowerCase();
  if (own.has(named)) return below(prefix, path);
  if (named !== host.toLowerCase()) return reference;
  return `${scheme === "" ? "" : `${scheme}:`}//${authority}${below(prefix, path)}`;
}

/** `path` with query and fragment; one that is below the prefix already is a service's that knows its prefix. */
function below(prefix: string, path: string): string {
  if (prefix === "/" || covers(prefix, path)) return path;
  return prefix + path;
}

function covers(prefix: string, path: string): boolean {
  return (
    path === prefix || [`${prefix}/`, `${prefix}?`, `${prefix}#`].some((begin) => path.startsWith(begin))
  );
}

/** Path=/ stays: the service means all of its host, and a session cookie must not be lost between its prefixes. */
function publicCookie(value: string, prefix: string): string {
  if (prefix === "/") return value;
  return splitCookie(value)
    .map((part) => {
      const found = /^(\s*path\s*=\s*)(\/.*?)(\s*)$/i.exec(part);
      if (found === null || found[2] === "/") return part;
      return found[1]! + below(prefix, found[2]!) + found[3]!;
    })
    .join(";");
}

/** RFC 6265 5.2: attributes are what stands between semicolons, quotes or not. */
function splitCookie(value: string): string[] {
  return value.split(";");
}

/**
 * The service's own path of what a client names by its public address (WebDAV's Destination, RFC 4918 10.3); as it is
 * where that lies elsewhere.
 */
export function ownReference(reference: string, { prefix, host }: Pick<Mount, "prefix" | "host">): string {
  const found = /^https?:\/\/([^/?#]*)(.*)$/i.exec(reference);
  const path = found === null ? reference : found[2]!;
  if (!path.startsWith("/") || (found !== null && found[1]!.toLowerCase() !== host.toLowerCase()))
    return reference;
  if (prefix === "/") return path;
  if (!covers(prefix, path)) return reference;
  const rest = path.slice(prefix.length);
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** The prefix that the service's clients see: what a proxy before us has taken off, and ours. */
export function publicPrefix(outer: string | null, prefix: string): string {
  const [given = ""] = splitList(outer ?? "");
  const before = /^(?:\/[\w.~%!$&'()*+,;=:@-]+)+$/.test(given) ? given : "";
  return before + (prefix === "/" ? "" : prefix);
}
