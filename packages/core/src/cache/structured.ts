/**
 * The structured fields that caching reads (RFC 9651): dictionaries for CDN-Cache-Control, lists of strings for
 * Cache-Groups. Parsed by structured-headers; one error makes the whole field invalid, which is null here.
 */
import { splitList } from "@sticky-proxy/protocol/http";
import {
  parseDictionary as readDictionary,
  parseList as readList,
  ParseError,
  type BareItem as Parsed,
} from "structured-headers";

/** `other`: a token, bytes, a date or a display string, which no directive has as its value. */
export type BareItem =
  | { readonly type: "integer" | "decimal"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "boolean"; readonly value: boolean }
  | { readonly type: "other" };

/** Member name to bare item; null stands for an inner list. The last of two equal names wins. null: invalid. */
export function parseDictionary(text: string): ReadonlyMap<string, BareItem | null> | null {
  const members = orNull(() => readDictionary(text));
  if (members === null) return null;
  // The library gives `60` and `60.0` as one number, but only the first is an Integer (RFC 9651 4.2.4).
  const decimals = new Map<string, boolean>();
  for (const member of splitList(text)) {
    const [, name, value] = /^([a-z*][\w\-.*]*)=(-?\d+(?:\.\d+)?)/.exec(member) ?? [];
    if (name !== undefined) decimals.set(name, value?.includes(".") === true);
  }
  return new Map(
    [...members].map(([name, [value]]) => [
      name,
      Array.isArray(value) ? null : itemOf(value, decimals.get(name) === true),
    ]),
  );
}

/** The strings of a list whose members are all strings, in order. null: invalid or another type. */
export function parseStringList(text: string): string[] | null {
  const strings = orNull(() => readList(text))?.map(([value]): unknown => value) ?? null;
  return strings?.every((value) => typeof value === "string") === true ? strings : null;
}

function orNull<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ParseError) return null;
    throw error;
  }
}

function itemOf(value: Parsed, isDecimal: boolean): BareItem {
  switch (typeof value) {
    case "number":
      return { type: isDecimal ? "decimal" : "integer", value };
    case "string":
      return { type: "string", value };
    case "boolean":
      return { type: "boolean", value };
    default:
      return { type: "other" };
  }
}
