/** The four forms of a request target (RFC 9112 3.2), taken apart without ever resolving one URL against another. */
import { parseAuthority, type Authority } from "./host.ts";
import { normalisePath } from "./path.ts";

export type RequestTarget =
  | {
      readonly kind: "path";
      /** Normalised. */
      readonly path: string;
      /** The path octets as received, for routes that pass everything on untouched. */
      readonly receivedPath: string;
      readonly query: string | null;
      /** The target's own authority when it came in absolute form; null: origin form. */
      readonly authority: Authority | null;
    }
  | { readonly kind: "asterisk" }
  | {
      readonly kind: "invalid";
      readonly slug: "malformed-request" | "path-invalid";
      readonly reason: string;
    };

// What may stand in a query on the wire though RFC 3986 wants it encoded is passed on byte for byte;
// a fragment, spaces, controls and anything that is not ASCII are not part of a target.
const queryCharacters = /^[\x21\x22\x24-\x7e]*$/;

/** `target` is the request line's target as latin1 text. */
export function parseRequestTarget(method: string, target: string): RequestTarget {
  if (target.charCodeAt(0) === 0x2f) return pathTarget(target, null);
  if (target === "*") {
    return method === "OPTIONS" ? { kind: "asterisk" } : malformed("only OPTIONS may ask for *");
  }
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/is.exec(target);
  if (absolute === null) return malformed("the target is neither a path nor an http URI");
  const authority = parseAuthority(absolute[1]!);
  if (authority === null) return malformed("the target's authority is not a host with an optional port");
  const rest = absolute[2]!;
  // RFC 9112 3.2.4: OPTIONS for an absolute URI without path and query asks about the server as a whole.
  if (rest === "" && method === "OPTIONS") return { kind: "asterisk" };
  return pathTarget(rest.startsWith("/") ? rest : `/${rest}`, authority);
}

function pathTarget(text: string, authority: Authority | null): RequestTarget {
  const mark = text.indexOf("?");
  const receivedPath = mark === -1 ? text : text.slice(0, mark);
  const query = mark === -1 ? null : text.slice(mark + 1);
  if (query !== null && !queryCharacters.test(query))
    return invalidPath("the query holds a character that must be percent-encoded");
  const normalised = normalisePath(receivedPath);
  if (!normalised.ok) return invalidPath(normalised.reason);
  return { kind: "path", path: normalised.path, receivedPath, query, authority };
}

function malformed(reason: string): RequestTarget {
  return { kind: "invalid", slug: "malformed-request", reason };
}

function invalidPath(reason: string): RequestTarget {
  return { kind: "invalid", slug: "path-invalid", reason };
}
