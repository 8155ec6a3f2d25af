/** Whether a mask excuses two unequal scalar values. */
import { type JsonValue, JsonArray, JsonNumber, JsonObject } from "./json-walk.ts";
import type { Mask } from "./mask-trie.ts";

export type JsonType = "null" | "boolean" | "string" | "number" | "array" | "object";

export function jsonType(value: JsonValue): JsonType {
  if (value === null) return "null";
  if (value instanceof JsonNumber) return "number";
  if (value instanceof JsonArray) return "array";
  if (value instanceof JsonObject) return "object";
  return typeof value === "string" ? "string" : "boolean";
}

const formats = {
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
  // Crypt strings ($argon2id$…, $2b$…), hexadecimal and base64 digests of 128 bits and more.
  hash: /^(?:\$[a-z0-9-]{1,16}\$[ -~]{8,400}|(?:[0-9a-f]{2}){16,64}|[A-Za-z0-9+/_-]{22,88}={0,2})$/i,
  timestamp:
    /^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?$/,
} as const;

export function hasFormat(value: JsonValue, format: keyof typeof formats): boolean {
  return typeof value === "string" && value.length <= 512 && formats[format].test(value);
}

/** true: the mask says that these two, though unequal, are as they may be. List rules never excuse a scalar. */
export function isExcused(mask: Mask, a: JsonValue, b: JsonValue): boolean {
  switch (mask.kind) {
    case "ignore":
      return true;
    case "type":
      return jsonType(a) === jsonType(b);
    case "format":
      return hasFormat(a, mask.format) && hasFormat(b, mask.format);
    case "tolerance":
      return (
        a instanceof JsonNumber &&
        b instanceof JsonNumber &&
        Math.abs(Number(a.text) - Number(b.text)) <= mask.amount
      );
    case "timeTolerance": {
      const [x, y] = [instant(a), instant(b)];
      return x !== null && y !== null && Math.abs(x - y) <= mask.ms;
    }
    case "set":
    case "keyed":
      return false;
  }
}

/** Epoch ms of an RFC 3339 text, or of a number (taken as ms); null: no time. */
function instant(value: JsonValue): number | null {
  if (value instanceof JsonNumber) return Number(value.text);
  if (!hasFormat(value, "timestamp")) return null;
  const ms = Date.parse(value as string);
  return Number.isNaN(ms) ? null : ms;
}
