/**
 * JSON that somebody else wrote, read by pointer: each value comes back as the text in which it was written, so no number
 * passes through a double and no member that nobody asks for can make the rest unreadable. Duplicate names, lone
 * surrogates, `__proto__` and a byte order mark are ordinary text here. For what the gateway's own API is sent, see json.ts.
 */
import type { Pointer } from "./pointer.ts";

export interface JsonText {
  /** The whole document, without a byte order mark. */
  readonly text: string;
  /** The source text of the value at a pointer; undefined: nothing is there, or a name on the way stands twice. */
  at(pointer: Pointer): string | undefined;
  /** The text with another source at a pointer; the same text where nothing is there. */
  with(pointer: Pointer, source: string): string;
}

/** null: the bytes are no JSON. UTF-8, and latin1 where they are not UTF-8. */
export function readJsonText(bytes: Uint8Array): JsonText | null {
  const text = decoded(bytes);
  return isJson(text) ? jsonTextOf(text) : null;
}

/** The fields of `application/x-www-form-urlencoded` as an object of strings; of equal names the last counts. */
export function readFormText(bytes: Uint8Array): JsonText {
  return jsonTextOf(JSON.stringify(Object.fromEntries(new URLSearchParams(decoded(bytes)))));
}

/** The value of a source text that is a string, number, boolean or null; undefined: it is an object or array. */
export function scalarOf(source: string | undefined): string | number | boolean | null | undefined {
  if (source === undefined || source[0] === "{" || source[0] === "[") return undefined;
  return JSON.parse(source) as string | number | boolean | null;
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("latin1").decode(bytes);
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false; // also: nested deeper than the stack
  }
}

function jsonTextOf(text: string): JsonText {
  function spanOf(pointer: Pointer): [from: number, to: number] | undefined {
    let at: [from: number, to: number] | undefined = valueAt(text, blanks(text, 0));
    for (const token of pointer) at = at && below(text, at[0], token);
    return at;
  }
  return {
    text,
    at(pointer) {
      const at = spanOf(pointer);
      return at && text.slice(...at);
    },
    with(pointer, source) {
      const at = spanOf(pointer);
      return at === undefined ? text : text.slice(0, at[0]) + source + text.slice(at[1]);
    },
  };
}

/** The value of a member or item of the object or array that begins at `from`. `text` is valid JSON. */
function below(text: string, from: number, token: string): [from: number, to: number] | undefined {
  const isArray = text[from] === "[";
  if (!isArray && text[from] !== "{") return undefined;
  let found: [from: number, to: number] | undefined;
  let index = 0;
  for (let i = blanks(text, from + 1); text[i] !== "]" && text[i] !== "}";) {
    let isWanted = isArray && String(index++) === token;
    if (!isArray) {
      const nameEnd = stringEnd(text, i);
      isWanted = JSON.parse(text.slice(i, nameEnd)) === token;
      i = blanks(text, blanks(text, nameEnd) + 1);
    }
    const value = valueAt(text, i);
    if (isWanted && found !== undefined) return undefined;
    if (isWanted) found = value;
    i = blanks(text, value[1]);
    if (text[i] === ",") i = blanks(text, i + 1);
  }
  return found;
}

/** Where the value that begins at `from` ends. */
function valueAt(text: string, from: number): [from: number, to: number] {
  if (text[from] === '"') return [from, stringEnd(text, from)];
  if (text[from] !== "{" && text[from] !== "[") {
    let to = from;
    while (to < text.length && !/[\s,\]}]/.test(text[to]!)) to++;
    return [from, to];
  }
  let depth = 0;
  for (let i = from; ; i++) {
    const character = text[i];
    if (character === '"') i = stringEnd(text, i) - 1;
    else if (character === "{" || character === "[") depth++;
    else if ((character === "}" || character === "]") && --depth === 0) return [from, i + 1];
  }
}

function stringEnd(text: string, from: number): number {
  let i = from + 1;
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i + 1;
}

function blanks(text: string, from: number): number {
  let i = from;
  while (text[i] === " " || text[i] === "\n" || text[i] === "\r" || text[i] === "\t") i++;
  return i;
}
