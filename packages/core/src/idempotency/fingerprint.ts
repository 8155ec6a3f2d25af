/**
 * What makes two requests the same when no key says so, and what a key is bound to when one does:
 * SHA-256 over length-prefixed parts, so that no two lists of parts give the same input.
 */

import { createHash } from "node:crypto";
import type { HeaderLine, HeaderList } from "../http/message.ts";
import { canonicalJson } from "./canonical-json.ts";

export interface FingerprintInput {
  readonly method: string;
  /** Normalised (the path that is forwarded). */
  readonly path: string;
  /** Raw, without "?"; null when the target has none. */
  readonly query: string | null;
  /** The Content-Type line, null when absent. */
  readonly contentType: string | null;
  readonly body: Uint8Array;
  /** Only the lines that the route names: {@link namedHeaders}. */
  readonly headers: HeaderList;
  /** The principal's; null where the credential is compared apart from the payload. */
  readonly principal: string | null;
}

/** Versions of the fingerprint that this node can compute: each replica tells the others of its own. */
export const fingerprintVersions: readonly number[] = [1];

/** 43 base64url characters. */
export function fingerprint(input: FingerprintInput): string {
  const type = contentType(input.contentType);
  const canonical = type !== null && type.isJson && input.body.length > 0 ? canonicalJson(input.body) : null;
  let head =
    part(input.method) +
    part(input.path) +
    part(input.query === null ? null : sortedQuery(input.query)) +
    part(type === null ? null : type.text) +
    part(input.principal);
  for (const [name, value] of input.headers) head += part(name) + part(value);
  const hash = createHash("sha256");
  // The last part needs no length, only a word on how it was read.
  if (canonical !== null) hash.update(`${head}json:${canonical}`);
  else hash.update(`${head}raw:`).update(input.body);
  return hash.digest("base64url");
}

/** Lengths count UTF-16 units, which decides where a part ends as well as bytes would. */
function part(value: string | null): string {
  return value === null ? "-;" : `${value.length}:${value};`;
}

/**
 * The pairs ordered by name. Pairs of one name keep their order, which may matter to the service; nothing is
 * decoded, and what is forwarded stays as sent.
 */
export function sortedQuery(query: string): string {
  if (!query.includes("&")) return query;
  const pairs = query.split("&").map((pair) => {
    const end = pair.indexOf("=");
    return { pair, name: end === -1 ? pair : pair.slice(0, end) };
  });
  pairs.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return pairs.map(({ pair }) => pair).join("&");
}

/** The lines of these lower-case names: names in lower case and in order, lines of one name in theirs. */
export function namedHeaders(headers: HeaderList, names: readonly string[]): HeaderList {
  const wanted: HeaderLine[] = [];
  for (const name of [...new Set(names)].sort()) {
    for (const [candidate, value] of headers)
      if (candidate.toLowerCase() === name) wanted.push([name, value]);
  }
  return wanted;
}

interface ContentType {
  /** Type and parameter names in lower case, no blanks: "application/json;charset=UTF-8". */
  readonly text: string;
  readonly isJson: boolean;
}

function contentType(line: string | null): ContentType | null {
  if (line === null) return null;
  // What most clients send, without the work below.
  if (line === "application/json") return { text: line, isJson: true };
  const [type = "", ...parameters] = line.split(";").map((piece) => piece.trim());
  const essence = type.toLowerCase();
  const named = parameters.map((parameter) => parameter.replace(/^[^=]*/, (name) => name.toLowerCase()));
  return {
    text: [essence, ...named].join(";"),
    isJson: essence === "application/json" || /^[^/]+\/[^/]+\+json$/.test(essence),
  };
}
