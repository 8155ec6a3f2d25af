/**
 * JSON as the gateway's own API reads it: one meaning or an error. Duplicate names, `__proto__`, invalid UTF-8,
 * lone surrogates, numbers beyond a double and nesting beyond the limit are refused, each with its position.
 * A hand-written reader because JSON.parse keeps the last of two equal names and says nothing.
 */

import { Problem } from "../problems.ts";

export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [name: string]: Json;
}

export interface JsonOptions {
  /** Arrays and objects inside each other; default 64. */
  readonly maxDepth?: number;
}

/** Throws `malformed-json` with the position (in characters) in `detail`. */
export function parseJsonStrict(bytes: Uint8Array, { maxDepth = 64 }: JsonOptions = {}): Json {
  return new Reader(utf8(bytes), maxDepth).document();
}

/** The same, where only an object will do: throws `malformed-request` for any other JSON value. */
export function parseJsonObject(bytes: Uint8Array, options: JsonOptions = {}): JsonObject {
  const value = parseJsonStrict(bytes, options);
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new Problem("malformed-request", { detail: "The JSON body must be an object." });
  }
  return value;
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed(`invalid UTF-8 at byte ${firstInvalidByte(bytes)}`);
  }
}

/** Whether a prefix can be decoded is monotonic, so halving finds the shortest prefix that cannot. */
function firstInvalidByte(bytes: Uint8Array): number {
  let good = 0;
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (canDecodePrefix(bytes.subarray(0, middle))) good = middle;
    else bad = middle;
  }
  return bad - 1;
}

function canDecodePrefix(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function malformed(what: string): Problem {
  return new Problem("malformed-json", { detail: `The body is not valid JSON: ${what}.` });
}

const numberForm = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const escapes: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);

class Reader {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  document(): Json {
    this.#space();
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) throw this.#unexpected();
    return value;
  }

  /** Recursion is safe: `depth` never passes the limit. */
  #value(depth: number): Json {
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object(this.#deeper(depth));
      case "[":
        return this.#array(this.#deeper(depth));
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #deeper(depth: number): number {
    if (depth >= this.#maxDepth) throw this.#fault(`nested deeper than ${this.#maxDepth} levels`);
    return depth + 1;
  }

  #object(depth: number): JsonObject {
    const object: JsonObject = {};
    this.#at++;
    this.#space();
    if (this.#took("}")) return object;
    for (;;) {
      const nameAt = this.#at;
      if (this.#text[nameAt] !== '"') throw this.#unexpected();
      const name = this.#string();
      if (name === "__proto__") throw this.#fault("the member name __proto__ is not allowed", nameAt);
      if (Object.hasOwn(object, name)) throw this.#fault("duplicate member name", nameAt);
      this.#space();
      if (!this.#took(":")) throw this.#unexpected();
      this.#space();
      object[name] = this.#value(depth);
      this.#space();
      if (this.#took("}")) return object;
      if (!this.#took(",")) throw this.#unexpected();
      this.#space();
    }
  }

  #array(depth: number): Json[] {
    const array: Json[] = [];
    this.#at++;
    this.#space();
    if (this.#took("]")) return array;
    for (;;) {
      array.push(this.#value(depth));
      this.#space();
      if (this.#took("]")) return array;
      if (!this.#took(",")) throw this.#unexpected();
      this.#space();
    }
  }

  #string(): string {
    const start = this.#at++;
    let value = "";
    let from = this.#at;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === 0x22) break;
      if (code < 0x20) throw this.#fault("a control character in a string");
      if (Number.isNaN(code)) throw this.#unexpected();
      if (code === 0x5c) {
        value += this.#text.slice(from, this.#at) + this.#escape();
        from = this.#at;
      } else {
        this.#at++;
      }
    }
    value += this.#text.slice(from, this.#at++);
    if (!value.isWellFormed()) throw this.#fault("a lone surrogate in a string", start);
    return value;
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? "";
    if (letter === "u") {
      const digits = this.#text.slice(this.#at + 2, this.#at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.#fault("a bad escape in a string");
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const character = escapes.get(letter);
    if (character === undefined) throw this.#fault("a bad escape in a string");
    this.#at += 2;
    return character;
  }

  #number(): number {
    numberForm.lastIndex = this.#at;
    const literal = numberForm.exec(this.#text)?.[0];
    if (literal === undefined) throw this.#unexpected();
    const value = Number(literal);
    if (!Number.isFinite(value)) throw this.#fault("a number beyond the range of a double");
    this.#at += literal.length;
    return value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#unexpected();
    this.#at += word.length;
    return value;
  }

  #took(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #unexpected(): Problem {
    return this.#fault(this.#at >= this.#text.length ? "unexpected end" : "unexpected character");
  }

  #fault(what: string, at = this.#at): Problem {
    return malformed(`${what} at position ${at}`);
  }
}
