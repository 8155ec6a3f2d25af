/**
 * What makes two requests the same when no key says so, and what a key is bound to when one does:
 * SHA-256 over length-prefixed parts, so that no two lists of parts give the same input.
 */

import { createHash, type Hash } from "node:crypto";
import type { HeaderLine, HeaderList } from "../http/message.ts";
import type { Pointer } from "@sticky-proxy/protocol/json";
import { canonicalJson, canonicalJsonWithout } from "./canonical-json.ts";
import { isJsonType, readContentType, type ContentType } from "./content-type.ts";
import { readMultipart, type FormPart } from "./multipart.ts";

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
export const fingerprintVersions: readonly number[] = [1, 2];
/** The one that is written once every live replica knows it. */
export const currentFingerprint = 2;

/** What does not count: timestamps, nonces, request ids. */
export interface Ignored {
  /** Members of a JSON body, fields of a form by their name. */
  readonly members: readonly Pointer[];
  /** Names of query parameters; "*" may end a name. */
  readonly query: readonly string[];
}

export interface Fingerprints {
  /** Version 2. */
  readonly current: string;
  /** What version 1 says of the same request, by which older replicas know it; equal to `current` for most requests. */
  readonly former: string;
}

/**
 * @param input as it was sent
 * @param decoded its body without content codings; the body itself where it has none, or none that can be undone
 */
export function fingerprints(input: FingerprintInput, decoded: Uint8Array, ignored: Ignored): Fingerprints {
  const former = formerFingerprint(input);
  const type = readContentType(input.contentType);
  const isPlain =
    decoded === input.body &&
    ignored.members.length === 0 &&
    ignored.query.length === 0 &&
    type?.text === formerType(input.contentType)?.text &&
    type?.essence.startsWith("multipart/") !== true;
  if (isPlain) return { current: former, former };
  const hash = createHash("sha256");
  hash.update(headOf({ ...input, query: countedQuery(input.query, ignored.query) }, type?.text ?? null));
  addBody(hash, type, decoded, ignored.members, 0);
  return { current: hash.digest("base64url"), former };
}

/** Version 1, 43 base64url characters: bytes as they came, and JSON by what it says. */
export function formerFingerprint(input: FingerprintInput): string {
  const type = formerType(input.contentType);
  const canonical = type !== null && type.isJson && input.body.length > 0 ? canonicalJson(input.body) : null;
  const hash = createHash("sha256");
  const head = headOf(input, type?.text ?? null);
  // The last part needs no length, only a word on how it was read.
  if (canonical !== null) hash.update(`${head}json:${canonical}`);
  else hash.update(`${head}raw:`).update(input.body);
  return hash.digest("base64url");
}

function headOf(input: FingerprintInput, type: string | null): string {
  let head =
    part(input.method) +
    part(input.path) +
    part(input.query === null ? null : sortedQuery(input.query)) +
    part(type) +
    part(input.principal);
  for (const [name, value] of input.headers) head += part(name) + part(value);
  return head;
}

/** Forms within forms are looked into this deep. */
const maxFormDepth = 3;

/** The last part of an input, or a form's part behind its length: a word on how it was read, and what it says. */
function addBody(
  hash: Hash,
  type: ContentType | null,
  body: Uint8Array,
  ignored: readonly Pointer[],
  depth: number,
): void {
  const form = depth < maxFormDepth ? formOf(type, body) : null;
  if (form !== null) return addForm(hash, form, ignored, depth);
  const fields = type?.essence === "application/x-www-form-urlencoded" && ignored.length > 0;
  if (fields) {
    hash.update("raw:").update(countedFields(body, ignored));
    return;
  }
  const isJson = body.length > 0 && (type?.isJson === true || ignored.length > 0);
  const canonical = !isJson
    ? null
    : ignored.length === 0
      ? canonicalJson(body)
      : canonicalJsonWithout(body, ignored);
  if (canonical !== null) hash.update(`json:${canonical}`);
  else hash.update("raw:").update(body);
}

function formOf(type: ContentType | null, body: Uint8Array): readonly FormPart[] | null {
  if (type === null || !type.essence.startsWith("multipart/")) return null;
  return readMultipart(body, type.parameters.get("boundary") ?? "");
}

function addForm(hash: Hash, form: readonly FormPart[], ignored: readonly Pointer[], depth: number): void {
  const counted = form.filter(
    ({ name }) => name === null || !ignored.some((pointer) => pointer.length === 1 && pointer[0] === name),
  );
  hash.update(`form:${counted.length};`);
  for (const { headers, body } of counted) {
    const line = headers.find(([name]) => name === "content-type")?.[1] ?? null;
    const type = readContentType(line);
    let head = `${headers.length};`;
    for (const [name, value] of headers)
      head += part(name) + part(name === "content-type" ? (type?.text ?? value) : value);
    const inner = createHash("sha256");
    addBody(inner, type, body, [], depth + 1);
    hash.update(head).update(inner.digest());
  }
}

/** null: nothing is left of it. */
function countedQuery(query: string | null, ignored: readonly string[]): string | null {
  if (query === null || ignored.length === 0) return query;
  const pairs = query.split("&");
  const counted = pairs.filter((pair) => !ignored.some((rule) => matchesName(rule, nameOf(pair))));
  return counted.length === pairs.length ? query : counted.length === 0 ? null : counted.join("&");
}

function countedFields(body: Uint8Array, ignored: readonly Pointer[]): string {
  const names = ignored.filter(({ length }) => length === 1).map(([name]) => name);
  const pairs = Buffer.from(body).toString("latin1").split("&");
  return pairs.filter((pair) => !names.includes(nameOf(pair))).join("&");
}

function nameOf(pair: string): string {
  const name = pair.split("=", 1)[0]!.replaceAll("+", " ");
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function matchesName(rule: string, name: string): boolean {
  return rule.endsWith("*") ? name.startsWith(rule.slice(0, -1)) : rule === name;
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

/** How version 1 read a media type: case of names and blanks beside semicolons only. */
function formerType(line: string | null): { readonly text: string; readonly isJson: boolean } | null {
  if (line === null) return null;
  if (line === "application/json") return { text: line, isJson: true };
  const [type = "", ...parameters] = line.split(";").map((piece) => piece.trim());
  const essence = type.toLowerCase();
  const named = parameters.map((parameter) => parameter.replace(/^[^=]*/, (name) => name.toLowerCase()));
  return { text: [essence, ...named].join(";"), isJson: isJsonType(essence) };
}
