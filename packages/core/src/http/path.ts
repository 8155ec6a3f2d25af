/**
 * One path for everybody: what routes, policies, fingerprints and cache keys see is what the service receives.
 * A path is either normalised to the one meaning that every parser gives it, or refused.
 * Percent-escapes of unreserved characters are decoded, all others get upper-case digits (RFC 3986 6.2.2); "." segments
 * are removed (5.2.4); the brackets, braces, bar and caret that browsers leave as they are get encoded. ".." is refused:
 * whoever stood before us and decided by the path as it came has decided about another one.
 */

/** What a route may opt in to; what it does not say is refused. */
export interface PathRules {
  /** Accept "%2F" as data inside a segment (never as a separator). */
  readonly encodedSlash?: boolean;
  /** Accept empty segments ("//"). */
  readonly emptySegments?: boolean;
}

export type NormalisedPath =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly reason: string };

// Unreserved characters only, no segment empty or beginning with a dot: the common path needs nothing but this scan.
const plain = /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+\/?$/;
// pchar of RFC 3986 3.3, "%" and "/", and what is encoded below.
const allowed = /^[A-Za-z0-9\-._~!$&'()*+,;=:@%/[\]{}|^]*$/;
const toEncode = /[[\]{}|^]/g;

/**
 * `raw` is the path part of a request target, latin1 text, beginning with "/". Encoded slashes and empty segments are
 * left in: whether they may be there is the route's to say ({@link pathRefusal}).
 */
export function normalisePath(raw: string): NormalisedPath {
  if (raw === "/" || plain.test(raw)) return { ok: true, path: raw };
  if (raw.charCodeAt(0) !== 0x2f) return refuse("it does not begin with a slash");
  if (!allowed.test(raw)) return refuse("it holds a character that must be percent-encoded");
  const escapes = normaliseEscapes(raw.replace(toEncode, encoded));
  if (!escapes.ok) return escapes;
  const { path } = escapes;
  if (!path.includes("/.") && !path.includes("%2F.")) return escapes;
  // A service that decodes "%2F" sees what stands behind it as a segment.
  if (path.split(/\/|%2F/).includes("..")) return refuse("it holds a dot segment that leads upwards");
  return { ok: true, path: withoutDots(path) };
}

/** RFC 3986 5.2.4 for "." alone: "/a/./b" is "/a/b", "/a/." is "/a/". */
function withoutDots(path: string): string {
  const segments = path.split("/");
  const kept = segments.filter((segment) => segment !== ".");
  return segments.at(-1) === "." ? `${kept.join("/")}/` : kept.join("/");
}

function encoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** Why a normalised path is refused on a route with these rules; null: it is not. */
export function pathRefusal(path: string, rules: PathRules): string | null {
  if (rules.emptySegments !== true && path.includes("//")) return "it holds an empty segment";
  if (rules.encodedSlash !== true && path.includes("%2F")) return "it holds an encoded slash";
  return null;
}

/** Whether the octets as they came say no more than the normalised path, so that either may be sent. */
export function isSpeltAlike(received: string): boolean {
  return !/[[\]{}|^]|(?:\/|%2[fF])(?:\.|%2[eE])(?:\/|$)/.test(received);
}

function normaliseEscapes(raw: string): NormalisedPath {
  let at = raw.indexOf("%");
  if (at === -1) return { ok: true, path: raw };
  let path = "";
  let copied = 0;
  let previous = -1;
  for (; at !== -1; at = raw.indexOf("%", at + 3)) {
    const digits = raw.slice(at + 1, at + 3);
    if (!/^[0-9A-Fa-f]{2}$/.test(digits)) return refuse("it holds a broken percent-escape");
    const octet = Number.parseInt(digits, 16);
    if (octet === 0) return refuse("it holds an encoded NUL");
    if (octet === 0x5c) return refuse("it holds an encoded backslash");
    const before = at === copied && copied > 0 ? previous : -1;
    if (isOverlong(before, octet)) return refuse("it holds overlong UTF-8");
    path +=
      raw.slice(copied, at) + (isUnreserved(octet) ? String.fromCharCode(octet) : `%${digits.toUpperCase()}`);
    copied = at + 3;
    previous = octet;
  }
  return { ok: true, path: path + raw.slice(copied) };
}

/** RFC 3629 3: C0 and C1 always, E0 before 80-9F, F0 before 80-8F spell a character longer than needed. */
function isOverlong(before: number, octet: number): boolean {
  if (octet === 0xc0 || octet === 0xc1) return true;
  if (before === 0xe0) return octet >= 0x80 && octet <= 0x9f;
  return before === 0xf0 && octet >= 0x80 && octet <= 0x8f;
}

/** RFC 3986 2.3. */
function isUnreserved(octet: number): boolean {
  return (
    (octet >= 0x61 && octet <= 0x7a) ||
    (octet >= 0x41 && octet <= 0x5a) ||
    (octet >= 0x30 && octet <= 0x39) ||
    octet === 0x2d ||
    octet === 0x2e ||
    octet === 0x5f ||
    octet === 0x7e
  );
}

function refuse(reason: string): NormalisedPath {
  return { ok: false, reason };
}

/**
 * Whether `prefix` covers `path` at a segment end: "/a" covers "/a" and "/a/b", not "/ab". "/" covers all.
 */
export function coversPath(prefix: string, path: string): boolean {
  if (prefix === "/") return true;
  if (!path.startsWith(prefix)) return false;
  return path.length === prefix.length || prefix.endsWith("/") || path.charCodeAt(prefix.length) === 0x2f;
}

/** The path below a covering prefix; always begins with "/". */
export function belowPrefix(prefix: string, path: string): string {
  if (prefix === "/") return path;
  const rest = path.slice(prefix.endsWith("/") ? prefix.length - 1 : prefix.length);
  return rest === "" ? "/" : rest;
}
