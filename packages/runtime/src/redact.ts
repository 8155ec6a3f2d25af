/**
 * The one function that removes secrets from what is shown to people: logs, traces, panel, dead letters,
 * differences. A secret becomes `[redacted:<8 hex>]`, a keyed digest: equal secrets are recognisable within one
 * process, and a guess cannot be verified. Depth, width and length are limited, so hostile input costs little.
 */
import { createHmac, randomBytes } from "node:crypto";

export type Redact = (value: unknown) => unknown;

export const secretNames: ReadonlySet<string> = new Set([
  "authorization",
  "proxy-authorization",
  "cookie",
  "set-cookie",
  "x-api-key",
  "webhook-signature",
  "sticky-execution",
  // An idempotency key may be guessable and identifies a customer's request: only its scope is shown.
  "idempotency-key",
  "x-idempotency-key",
]);
const secretWord = /token|secret|password/i;

/** `scheme://user:password@`, `?sticky=<token>` and its like, `Bearer …`, `whsec_…` inside any text.
 * Repetitions are limited, because texts that an attacker chose are matched too. */
const inText: readonly RegExp[] = [
  /(\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s/:@]{0,128}:)([^\s/@]+)(?=@)/gi,
  /([?&](?:sticky|[^?=&\s#]{0,128}(?:token|secret|password)[^?=&\s#]{0,128})=)([^&\s#"']+)/gi,
  /(\b(?:bearer|basic)\s+)([A-Za-z0-9._~+/=-]{8,})/gi,
  /(\bwhsec_)([A-Za-z0-9+/=]+)/g,
];

/** A text without one of these contains none of the above: a quick test for most texts. */
const suspicious = /:\/\/|[?&]|bearer|basic|whsec_/i;

const maxDepth = 8;
const maxItems = 100;
const maxLength = 4096;

export function isSecretName(name: string): boolean {
  return secretNames.has(name.toLowerCase()) || secretWord.test(name);
}

/** A redactor with its own key. It returns plain data: objects, arrays, strings, numbers, booleans, null. */
export function createRedactor(key: Uint8Array = randomBytes(32)): Redact {
  const mark = (secret: string): string =>
    `[redacted:${createHmac("sha256", key).update(secret).digest("hex").slice(0, 8)}]`;

  function text(value: string): string {
    let clean = value.length > maxLength ? `${value.slice(0, maxLength)}…` : value;
    if (!suspicious.test(clean)) return clean;
    for (const pattern of inText)
      clean = clean.replace(pattern, (_all, before: string, secret: string) => before + mark(secret));
    return clean;
  }

  function named(name: string, value: unknown, depth: number, seen: readonly object[]): unknown {
    if (!isSecretName(name) || value === null || value === undefined || typeof value === "boolean")
      return any(value, depth, seen);
    return mark(typeof value === "string" ? value : JSON.stringify(any(value, depth, seen)));
  }

  function any(value: unknown, depth: number, seen: readonly object[]): unknown {
    switch (typeof value) {
      case "string":
        return text(value);
      case "number":
        return Number.isFinite(value) ? value : String(value);
      case "boolean":
        return value;
      case "bigint":
        return value.toString();
      case "object":
        return value === null ? null : object(value, depth, seen);
      default:
        return undefined;
    }
  }

  function object(value: object, depth: number, seen: readonly object[]): unknown {
    if (seen.includes(value)) return "[circular]";
    if (depth >= maxDepth) return "[too deep]";
    const inside = [...seen, value];
    if (value instanceof Error) return error(value, depth, inside);
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? "[invalid date]" : value.toISOString();
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (value instanceof Set) return any([...value], depth, seen);
    if (Array.isArray(value)) {
      const [first, second] = value as unknown[];
      // A header line of core: [name, value].
      if (value.length === 2 && typeof first === "string" && typeof second === "string")
        return [first, named(first, second, depth + 1, inside)];
      return value.slice(0, maxItems).map((item) => any(item, depth + 1, inside));
    }
    const entries = value instanceof Map ? [...value] : Object.entries(value);
    return Object.fromEntries(
      entries
        .slice(0, maxItems)
        .map(([name, item]) => [String(name), named(String(name), item, depth + 1, inside)]),
    );
  }

  function error(value: Error, depth: number, seen: readonly object[]): unknown {
    const code = "code" in value && typeof value.code === "string" ? { code: value.code } : {};
    const cause = value.cause === undefined ? {} : { cause: any(value.cause, depth + 1, seen) };
    return {
      type: value.name,
      message: text(value.message),
      ...code,
      stack: text(value.stack ?? ""),
      ...cause,
    };
  }

  return (value) => any(value, 0, []);
}

/** This process's redactor, shared by logs, traces and every other output. */
export const redact: Redact = createRedactor();
