/**
 * Canonical JSON (RFC 8785): two bodies that say the same thing get the same text.
 *
 * A body is canonicalised only when it can be read in one way (I-JSON, RFC 7493); for any other the answer is null
 * and the caller works with the raw bytes. Stricter than RFC 8785 in one place: a number literal that a double cannot
 * hold exactly is refused as well (RFC 7493 2.2), because rounding would make two different payloads one.
 *
 * How: JSON.parse and its grammar do the heavy part. It hides two things: duplicate names (the last one wins) and
 * rounded numbers. Both are found by one scan over the text that stands outside strings: it counts member names,
 * to be compared with the members that survived, and looks at long number literals. The scan also bounds
 * the nesting and the number of values, before anything that costs more per value sees the body.
 */

import { pointerValue, type Pointer } from "@sticky-proxy/protocol/json";

export const maxCanonicalDepth = 128;

/**
 * Commas, colons and opening brackets outside strings. More are told apart byte by byte: the event loop stands still
 * meanwhile, and the worst body of 1 MiB would hold it for 175 ms instead of 25 (measured).
 */
export const maxCanonicalMarks = 50_000;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The canonical text, or null: not JSON, invalid UTF-8, duplicate names, lone surrogates, inexact numbers, too deep or too many values. */
export function canonicalJson(body: Uint8Array): string | null {
  const read = readCanonical(body, (text) => JSON.parse(text), false);
  return read === null ? null : read.canonical;
}

/**
 * The canonical text without the members at `ignored` (an item of an array becomes null); null as {@link canonicalJson},
 * but numbers that a double cannot hold are no reason: they are written by their digits.
 */
export function canonicalJsonWithout(body: Uint8Array, ignored: readonly Pointer[]): string | null {
  const read = readCanonical(body, parseExactly, true);
  if (read === null) return null;
  for (const pointer of ignored) remove(read.value, pointer);
  return new Writer(false).write(read.value);
}

function readCanonical(
  body: Uint8Array,
  parse: (text: string) => unknown,
  anyNumber: boolean,
): { readonly value: unknown; readonly canonical: string } | null {
  let text: string;
  try {
    text = utf8.decode(body);
  } catch {
    return null;
  }
  const names = countNames(text, anyNumber);
  if (names === null) return null;
  let value: unknown;
  try {
    value = parse(text);
  } catch {
    return null;
  }
  // Only an escape can bring in a lone surrogate: the decoder has refused raw ones.
  const writer = new Writer(text.includes("\\u"));
  const canonical = writer.write(value);
  return canonical === null || writer.names !== names ? null : { value, canonical };
}

/** A number that a double would change. */
class ExactNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** ES2025, not yet among the compiler's declarations: the reviver is told the source text of each number. */
const exactJson = JSON as unknown as {
  parse(
    text: string,
    revive: (name: string, member: unknown, context: { readonly source: string }) => unknown,
  ): unknown;
};

function parseExactly(text: string): unknown {
  return exactJson.parse(text, (_name, member, { source }) =>
    typeof member === "number" && !isExact(source, 0, source.length)
      ? new ExactNumber(decimal(source) ?? source)
      : member,
  );
}

function remove(document: unknown, pointer: Pointer): void {
  const last = pointer.at(-1);
  const holder = pointerValue(document, pointer.slice(0, -1));
  if (last === undefined || typeof holder !== "object" || holder === null) return;
  if (Array.isArray(holder)) {
    if (pointerValue(holder, [last]) !== undefined) holder[Number(last)] = null;
  } else delete (holder as Record<string, unknown>)[last];
}

const quote = 0x22;
const backslash = 0x5c;

/**
 * The number of member names in a text that may or may not be JSON (JSON.parse decides that later);
 * null: nested too deep, too many values, a number that a double would change, or an unfinished string.
 */
function countNames(text: string, anyNumber: boolean): number | null {
  let names = 0;
  let depth = 0;
  let marks = 0;
  let i = 0;
  while (i < text.length) {
    const code = text.charCodeAt(i);
    if (code === quote) {
      i = endOfString(text, i);
      if (i === -1) return null;
    } else if ((code >= 0x30 && code <= 0x39) || code === 0x2d) {
      const start = i;
      i = endOfNumber(text, i);
      if (!anyNumber && !isExact(text, start, i)) return null;
    } else {
      const opens = code === 0x7b || code === 0x5b;
      if (code === 0x3a) names++;
      if (opens && ++depth > maxCanonicalDepth) return null;
      if (code === 0x7d || code === 0x5d) depth--;
      if ((opens || code === 0x3a || code === 0x2c) && ++marks > maxCanonicalMarks) return null;
      i++;
    }
  }
  return names;
}

/** Index after the closing quote, -1 when there is none. */
function endOfString(text: string, open: number): number {
  let close = open;
  for (;;) {
    close = text.indexOf('"', close + 1);
    if (close === -1) return -1;
    let before = close - 1;
    while (text.charCodeAt(before) === backslash) before--;
    if ((close - before) % 2 === 1) return close + 1;
  }
}

function endOfNumber(text: string, start: number): number {
  let i = start + 1;
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const part =
      (code >= 0x30 && code <= 0x39) ||
      code === 0x2e ||
      code === 0x2b ||
      code === 0x2d ||
      (code | 0x20) === 0x65;
    if (!part) break;
  }
  return i;
}

/** Fifteen decimal digits always survive a double, so only longer literals and exponents are worth a closer look. */
function isExact(text: string, start: number, end: number): boolean {
  if (end - start <= 15 && !hasExponent(text, start, end)) return true;
  const literal = text.slice(start, end);
  return decimal(literal) === decimal(String(Number(literal)));
}

function hasExponent(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((text.charCodeAt(i) | 0x20) === 0x65) return true;
  return false;
}

/** A number's value as digits and exponent, equal for equal values: "1.50e3" and "1500" are both "15e2". */
function decimal(literal: string): string | null {
  const match = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:e([+-]?[0-9]+))?$/i.exec(literal);
  if (match === null) return null;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  const digits = withoutLeadingZeros(whole + fraction);
  const significant = withoutTrailingZeros(digits);
  if (significant === "") return "0";
  const power = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${sign}${significant}e${power}`;
}

function withoutLeadingZeros(digits: string): string {
  let start = 0;
  while (digits[start] === "0") start++;
  return digits.slice(start);
}

/** A loop and not /0+$/, which takes quadratic time on a long run of zeros that does not end the text. */
function withoutTrailingZeros(digits: string): string {
  let end = digits.length;
  while (digits[end - 1] === "0") end--;
  return digits.slice(0, end);
}

/** Recursion is bounded: the scan has refused whatever is nested deeper than maxCanonicalDepth. */
class Writer {
  /** Members written so far: fewer than the text has when a name stood there twice. */
  names = 0;
  readonly #checkStrings: boolean;

  constructor(checkStrings: boolean) {
    this.#checkStrings = checkStrings;
  }

  /** null when a string has a lone surrogate. */
  write(value: unknown): string | null {
    if (typeof value === "string") return this.#string(value);
    // ECMAScript's own number form is the one RFC 8785 3.2.2.3 asks for; String(-0) is "0".
    if (value === null || typeof value !== "object") return String(value);
    if (value instanceof ExactNumber) return value.text;
    return Array.isArray(value)
      ? this.#array(value)
      : this.#object(value as Readonly<Record<string, unknown>>);
  }

  #string(value: string): string | null {
    return this.#checkStrings && !value.isWellFormed() ? null : JSON.stringify(value);
  }

  #array(values: readonly unknown[]): string | null {
    let text = "[";
    for (let i = 0; i < values.length; i++) {
      const item = this.write(values[i]);
      if (item === null) return null;
      text += i === 0 ? item : `,${item}`;
    }
    return `${text}]`;
  }

  #object(members: Readonly<Record<string, unknown>>): string | null {
    // The default order of sort() is by UTF-16 code units, as RFC 8785 3.2.3 asks.
    const names = Object.keys(members).sort();
    this.names += names.length;
    let text = "{";
    for (let i = 0; i < names.length; i++) {
      const name = this.#string(names[i]!);
      const value = this.write(members[names[i]!]);
      if (name === null || value === null) return null;
      text += i === 0 ? `${name}:${value}` : `,${name}:${value}`;
    }
    return `${text}}`;
  }
}
