/**
 * JSON as the comparer sees it: numbers keep their text (1.0 against 1 and integers above 2^53 are a choice of the
 * comparer, not an accident of a double), member names live in Maps, and nothing recurses, so no document can
 * overflow the stack or stop the process. A document beyond a bound is refused, never cut.
 *
 * Each value carries a 32-bit hash, equal for equal values, used to line lists up. It is not collision-proof and
 * nothing is ever called equal because of it.
 */

export class JsonNumber {
  readonly text: string;
  /** Equal for equal decimal values, exact at any size. */
  readonly key: string;
  readonly hash: number;
  constructor(text: string) {
    this.text = text;
    this.key = decimalKey(text);
    this.hash = textHash(this.key, 0x6e);
  }
}

export class JsonArray {
  readonly items: readonly JsonValue[];
  readonly hash: number;
  constructor(items: readonly JsonValue[]) {
    this.items = items;
    let hash = 0x61;
    for (const item of items) hash = mix(hash, valueHash(item));
    this.hash = hash;
  }
}

export class JsonObject {
  readonly members: ReadonlyMap<string, JsonValue>;
  /** Does not depend on the order of the members (RFC 8259 4: unordered). */
  readonly hash: number;
  constructor(members: ReadonlyMap<string, JsonValue>) {
    this.members = members;
    let hash = 0x6f;
    for (const [name, value] of members) hash = (hash + memberHash(name, valueHash(value))) | 0;
    this.hash = hash;
  }
}

export type JsonValue = null | boolean | string | JsonNumber | JsonArray | JsonObject;

export function valueHash(value: JsonValue): number {
  if (typeof value === "string") return textHash(value, 0x73);
  if (value === null) return 0x30;
  if (typeof value === "boolean") return value ? 0x31 : 0x32;
  return value.hash;
}

export function memberHash(name: string, value: number): number {
  return mix(textHash(name, 0x6d), value);
}

/** FNV-1a's step over whole words, spread by one multiplication. */
export function mix(hash: number, value: number): number {
  const h = Math.imul(hash ^ value, 0x01000193);
  return (h ^ (h >>> 15)) | 0;
}

function textHash(text: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash | 0;
}

export interface JsonBounds {
  readonly maxNodes: number;
  readonly maxDepth: number;
}

export const jsonBounds: JsonBounds = { maxNodes: 200_000, maxDepth: 500 };

export type ParsedJson =
  | { readonly ok: true; readonly value: JsonValue; readonly nodes: number }
  /** `at` counts UTF-16 units. `too-large`: deeper or more values than the bounds. */
  | {
      readonly ok: false;
      readonly reason: "utf-8" | "syntax" | "duplicate-name" | "too-large";
      readonly at: number;
    };

class Refused extends Error {
  readonly reason: "syntax" | "duplicate-name" | "too-large";
  readonly at: number;
  constructor(reason: Refused["reason"], at: number) {
    super(reason);
    this.reason = reason;
    this.at = at;
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

/** RFC 8259, strictly; a repeated member name has no one meaning (RFC 7493 2.3) and is refused. */
export function parseJson(bytes: Uint8Array, bounds: JsonBounds = jsonBounds): ParsedJson {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return { ok: false, reason: "utf-8", at: 0 };
  }
  try {
    return read(text, bounds);
  } catch (error) {
    if (error instanceof Refused) return { ok: false, reason: error.reason, at: error.at };
    throw error;
  }
}

/** An unfinished container; `names` null: an array. */
interface Open {
  readonly items: JsonValue[];
  readonly members: Map<string, JsonValue> | null;
  name: string;
}

function read(text: string, bounds: JsonBounds): ParsedJson {
  const open: Open[] = [];
  let at = skipSpace(text, 0);
  let nodes = 0;
  for (;;) {
    if (++nodes > bounds.maxNodes) throw new Refused("too-large", at);
    let value: JsonValue;
    const code = text.charCodeAt(at);
    if (code === 0x5b || code === 0x7b) {
      if (open.length >= bounds.maxDepth) throw new Refused("too-large", at);
      const isObject = code === 0x7b;
      at = skipSpace(text, at + 1);
      if (text.charCodeAt(at) === (isObject ? 0x7d : 0x5d)) {
        at++;
        value = isObject ? new JsonObject(new Map()) : new JsonArray([]);
      } else {
        const container: Open = { items: [], members: isObject ? new Map() : null, name: "" };
        open.push(container);
        if (isObject) at = readName(text, at, container);
        continue;
      }
    } else if (code === 0x22) {
      const end = stringEnd(text, at);
      value = stringValue(text, at, end);
      at = end;
    } else {
      [value, at] = readScalar(text, at);
    }

    // Close every container that ends here.
    for (;;) {
      const container = open.at(-1);
      at = skipSpace(text, at);
      if (container === undefined) {
        if (at !== text.length) throw new Refused("syntax", at);
        return { ok: true, value, nodes };
      }
      if (container.members === null) container.items.push(value);
      else container.members.set(container.name, value);
      const next = text.charCodeAt(at);
      if (next === 0x2c) {
        at = skipSpace(text, at + 1);
        if (container.members !== null) at = readName(text, at, container);
        break;
      }
      if (next !== (container.members === null ? 0x5d : 0x7d)) throw new Refused("syntax", at);
      at++;
      open.pop();
      value = container.members === null ? new JsonArray(container.items) : new JsonObject(container.members);
    }
  }
}

function readName(text: string, at: number, container: Open): number {
  if (text.charCodeAt(at) !== 0x22) throw new Refused("syntax", at);
  const end = stringEnd(text, at);
  const name = stringValue(text, at, end);
  if (container.members!.has(name)) throw new Refused("duplicate-name", at);
  container.name = name;
  const colon = skipSpace(text, end);
  if (text.charCodeAt(colon) !== 0x3a) throw new Refused("syntax", colon);
  return skipSpace(text, colon + 1);
}

function readScalar(text: string, at: number): [JsonValue, number] {
  if (text.startsWith("true", at)) return [true, at + 4];
  if (text.startsWith("false", at)) return [false, at + 5];
  if (text.startsWith("null", at)) return [null, at + 4];
  number.lastIndex = at;
  const found = number.exec(text);
  if (found === null) throw new Refused("syntax", at);
  return [new JsonNumber(found[0]), at + found[0].length];
}

/** The index behind the closing quote of the string that opens at `at`. */
function stringEnd(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) return i + 1;
    if (code === 0x5c) i++;
    else if (code < 0x20) throw new Refused("syntax", i);
  }
  throw new Refused("syntax", text.length);
}

function stringValue(text: string, at: number, end: number): string {
  const inner = text.slice(at + 1, end - 1);
  if (!inner.includes("\\")) return inner;
  try {
    return JSON.parse(text.slice(at, end)) as string;
  } catch {
    throw new Refused("syntax", at);
  }
}

function skipSpace(text: string, at: number): number {
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
    at++;
  }
}

/** "-12.50e1" → "-125e0": sign, digits without outer zeros, exponent; equal exactly for equal decimal values. */
export function decimalKey(text: string): string {
  const parts = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/.exec(text);
  if (parts === null) return text;
  const fraction = parts[3] ?? "";
  const all = parts[2]! + fraction;
  let start = 0;
  while (start < all.length && all.charCodeAt(start) === 0x30) start++;
  let end = all.length;
  while (end > start && all.charCodeAt(end - 1) === 0x30) end--;
  if (start === end) return "0";
  const shift = all.length - end - fraction.length;
  const exponent = parts[4] ?? "0";
  // An exponent of that length has no sensible value; its text decides.
  if (exponent.length > 15) return `${parts[1]}${all.slice(start, end)}@${exponent}:${shift}`;
  return `${parts[1]}${all.slice(start, end)}e${Number(exponent) + shift}`;
}
