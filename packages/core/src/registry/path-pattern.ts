/**
 * The path of a route: a prefix, or a pattern in the platform's URLPattern syntax. What reads as a pattern is one or is
 * refused when the configuration is checked: a route that silently matches nothing would protect nothing.
 */
import { coversPath } from "../http/path.ts";

/** What a matched path is tested against. */
export interface PathRule {
  readonly kind: "prefix" | "pattern";
  /** @param path normalised, below the service's prefix */
  covers(path: string): boolean;
}

// A parameter or an expression begins after a slash; "/processes:lookup", "/users('x')" and "/a+b" are plain paths.
const patternSyntax = /[*{}\\]|\/[:(]/;

export function isPathPattern(path: string): boolean {
  return patternSyntax.test(path);
}

/**
 * A pattern of the configuration as URLPattern reads it. A colon after a letter, a digit, `*`, `}` or `)` is itself
 * (`/jobs/:id:cancel`); escapes and what a path must encode are spelled as in normalised paths (RFC 3986 6.2.2).
 */
export function urlPatternText(written: string): string {
  let text = "";
  let depth = 0;
  for (let at = 0; at < written.length; at += 1) {
    const character = written[at]!;
    if (character === "\\") {
      text += written.slice(at, at + 2);
      at += 1;
      continue;
    }
    if (character === "(") depth += 1;
    if (character === ")") depth -= 1;
    if (depth === 0 && character === "%") {
      text += escapeAt(written, at);
      at += 2;
    } else if (depth === 0 && character === ":" && /[A-Za-z0-9_*)}]/.test(written[at - 1] ?? "")) {
      text += "\\:";
    } else text += depth === 0 ? (mustBeEncoded.get(character) ?? character) : character;
  }
  return text;
}

const mustBeEncoded: ReadonlyMap<string, string> = new Map([
  ["[", "%5B"],
  ["]", "%5D"],
  ["|", "%7C"],
  ["^", "%5E"],
]);

function escapeAt(text: string, at: number): string {
  const escape = text.slice(at, at + 3).toUpperCase();
  if (!/^%[0-9A-F]{2}$/.test(escape)) return text.slice(at, at + 3);
  const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
  return /[A-Za-z0-9._~-]/.test(character) ? character : escape;
}

/** What is wrong with a pattern; null: it can be matched. */
export function pathPatternFault(written: string): string | null {
  if (!written.startsWith("/")) return "a pattern begins with a slash";
  // A group such as "{/:id}?" holds its slash: only what stands outside of regular expressions is looked at.
  const literal = written.replaceAll(/\((?:[^()\\]|\\.)*\)/g, "x");
  if (/[\s#"<>`\p{Cc}]/u.test(literal)) return "a pattern holds no space, quote, <, > or #";
  if (literal.includes("//")) return "a pattern holds no empty segment";
  if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(literal)) return "a pattern holds no dot segment";
  if (/%(?![0-9A-Fa-f]{2})/.test(literal)) return "it holds a broken percent-escape";
  try {
    void new URLPattern({ pathname: urlPatternText(written) });
    return null;
  } catch {
    return "is no URLPattern: look at its braces, parentheses, names (each once) and modifiers; a query belongs under match.query; a backslash makes a character itself";
  }
}

/** Made once for each route. @throws TypeError: no URLPattern, which the check of the configuration has ruled out */
export function pathRule(path: string): PathRule {
  if (!isPathPattern(path)) return { kind: "prefix", covers: (candidate) => coversPath(path, candidate) };
  const pattern = new URLPattern({ pathname: urlPatternText(path) });
  // The comparison of text that every match begins with is a twentieth of the pattern's cost.
  const start = literalStart(path);
  return {
    kind: "pattern",
    covers: (candidate) => candidate.startsWith(start) && pattern.test({ pathname: candidate }),
  };
}

/** What every match begins with: the segments before the first that is not plain text. */
function literalStart(path: string): string {
  const plain = /^(?:\/[A-Za-z0-9_~-]+)*/.exec(path)![0];
  // The last segment may go on in syntax ("/a{b}", "/ab?"), and "?" makes the slash before a parameter optional.
  return plain.slice(0, plain.lastIndexOf("/"));
}
