/**
 * What a difference record may show of a value: at most {@link maxShownBytes}, and nothing that is a secret by its
 * name or its looks. A secret becomes "[redacted:<8 hex>]", a keyed digest: two sides can be told equal or not,
 * the value cannot be read back.
 */
import { createHmac } from "node:crypto";
import { type JsonValue, JsonArray, JsonNumber, JsonObject } from "./json-walk.ts";

export const maxShownBytes = 256;

const secretName =
  /token|secret|passw|pwd|credential|authori[sz]ation|cookie|session|api[-_]?key|private[-_]?key|webhook-signature|sticky-execution|^pin$|^cvv$|^cvc$/i;
/** Crypt strings, JSON Web Tokens, Bearer and Basic credentials, PEM private keys. */
const secretLooks =
  /^\$(?:argon2|2[aby]?|scrypt|5|6|pbkdf2)[^\s]{8,}|^ey[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.|^(?:bearer|basic)\s+\S+|-----BEGIN [A-Z ]{0,20}PRIVATE KEY/i;

/** Shows a value at `path` (decoded reference tokens or a field name). */
export type Shower = (path: readonly string[], value: JsonValue) => string;

export function isSecretName(name: string): boolean {
  return secretName.test(name);
}

/** `key` is the installation's secret. */
export function redactor(key: string): Shower {
  return function show(path, value) {
    if (path.some(isSecretName)) return redacted(key, plainText(value));
    const budget = { left: maxShownBytes * 2 };
    return cut(write(value, budget, key, 0));
  };
}

export function redacted(key: string, text: string): string {
  return `[redacted:${createHmac("sha256", key).update(text).digest("hex").slice(0, 8)}]`;
}

/** Free text: `name=value` and `"name": "value"` pairs with a secret name lose their value. */
export function redactText(key: string, text: string): string {
  const shown = withoutSecrets(key, text.slice(0, 4 * maxShownBytes));
  return cut(secretLooks.test(shown) ? redacted(key, shown) : shown);
}

/** What a text says is a secret, inside a URL, a log line or a header's value. */
function withoutSecrets(key: string, text: string): string {
  return text
    .replace(
      /([A-Za-z0-9_-]{1,40})("?\s{0,4}[=:]\s{0,4}"?(?:(?:bearer|basic)\s{1,4})?)([^\s"&;,<>]{1,1024})/gi,
      (whole, name: string, between: string, value: string) =>
        isSecretName(name) ? `${name}${between}${redacted(key, value)}` : whole,
    )
    .replace(
      /\b(bearer\s{1,4})([A-Za-z0-9+/=._~-]{1,1024})/gi,
      (_, scheme: string, value: string) => `${scheme}${redacted(key, value)}`,
    );
}

/** Cuts at {@link maxShownBytes} of UTF-8, at a character's end, and says so. */
export function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxShownBytes) return text;
  let end = maxShownBytes - 3;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return `${bytes.toString("utf8", 0, end)}…`;
}

/** JSON text of as much of the value as will be shown; the recursion ends with the budget. */
function write(value: JsonValue, budget: { left: number }, key: string, depth: number): string {
  if (budget.left <= 0 || depth > 8) return "…";
  if (typeof value === "string") {
    const shown = secretLooks.test(value.slice(0, 512))
      ? redacted(key, value)
      : withoutSecrets(key, value.slice(0, 2 * maxShownBytes));
    budget.left -= shown.length + 2;
    return JSON.stringify(shown);
  }
  if (value instanceof JsonNumber) {
    budget.left -= value.text.length;
    return value.text.slice(0, 2 * maxShownBytes);
  }
  if (value instanceof JsonArray) {
    const parts: string[] = [];
    for (const item of value.items) {
      if (budget.left-- <= 0) break;
      parts.push(write(item, budget, key, depth + 1));
    }
    return `[${parts.join(",")}${parts.length < value.items.length ? ",…" : ""}]`;
  }
  if (value instanceof JsonObject) {
    const parts: string[] = [];
    for (const [name, member] of value.members) {
      if (budget.left <= 0) break;
      budget.left -= name.length + 4;
      const shown = isSecretName(name)
        ? `"${redacted(key, plainText(member))}"`
        : write(member, budget, key, depth + 1);
      parts.push(`${JSON.stringify(name.slice(0, 2 * maxShownBytes))}:${shown}`);
    }
    return `{${parts.join(",")}${parts.length < value.members.size ? ",…" : ""}}`;
  }
  budget.left -= 5;
  return String(value);
}

/** Something that is equal for equal values, to be digested. */
function plainText(value: JsonValue): string {
  if (typeof value === "string") return value;
  if (value instanceof JsonNumber) return value.key;
  return value instanceof JsonArray || value instanceof JsonObject ? `#${value.hash}` : String(value);
}
