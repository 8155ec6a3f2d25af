/**
 * Our field names and the readers of what a client may ask for on a request (API.md of the wire contract:
 * "Submitting"). A reader takes every line of its field, as received; absent means an empty array.
 * A value that cannot be honoured is a Problem: nothing a client asks for is silently ignored.
 */

import { trimOws } from "./http/list.ts";
import { Problem } from "./problems.ts";

/** Spelled as they are written; compare in lower case ({@link lowerFields}). */
export const fields = {
  idempotencyKey: "Idempotency-Key",
  xIdempotencyKey: "X-Idempotency-Key",
  idempotentReplayed: "Idempotent-Replayed",
  idempotencyExpires: "Idempotency-Expires",
  prefer: "Prefer",
  preferenceApplied: "Preference-Applied",
  proxyStatus: "Proxy-Status",
  cacheStatus: "Cache-Status",
  xCache: "X-Cache",
  xRequestId: "X-Request-Id",
  retryAfter: "Retry-After",
  dualWriteExecuted: "x-dual-write-executed",
  stickyProcessId: "Sticky-Process-Id",
  stickyProcessStatus: "Sticky-Process-Status",
  stickySource: "Sticky-Source",
  stickyOwner: "Sticky-Owner",
  stickyOnDuplicate: "Sticky-On-Duplicate",
  stickyForce: "Sticky-Force",
  stickyDeadline: "Sticky-Deadline",
  stickyAttempt: "Sticky-Attempt",
  stickyFence: "Sticky-Fence",
  stickyExecution: "Sticky-Execution",
  stickyCallbackUrl: "Sticky-Callback-Url",
  stickyCallback: "Sticky-Callback",
  stickyResultStatus: "Sticky-Result-Status",
  stickyMirror: "Sticky-Mirror",
  webhookId: "webhook-id",
  webhookTimestamp: "webhook-timestamp",
  webhookSignature: "webhook-signature",
} as const;

export type FieldWord = keyof typeof fields;

/** The same names in lower case, for look-ups. */
export const lowerFields = Object.fromEntries(
  Object.entries(fields).map(([word, name]) => [word, name.toLowerCase()]),
) as Readonly<Record<FieldWord, string>>;

/** Where a reply's body comes from: the field Sticky-Source. */
export type Source = "service" | "store" | "gateway";

const maxKeyLength = 255;

/** Printable ASCII (RFC 20) without the two characters that a structured-field string must escape. */
const keyCharacters = /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/;

/**
 * The request's idempotency key, null when neither field is present. A structured-field String (RFC 9651 3.3.3)
 * and the same characters without quotes are the same key; parameters are refused, since they could only be ignored.
 * Throws `idempotency-key-invalid`: empty, longer than 255, other characters, two lines, or the two fields differ.
 */
export function readIdempotencyKey(lines: readonly string[], aliasLines: readonly string[]): string | null {
  const key = oneKey(lines, fields.idempotencyKey);
  const alias = oneKey(aliasLines, fields.xIdempotencyKey);
  if (key !== null && alias !== null && key !== alias) {
    throw invalidKey(`${fields.idempotencyKey} and ${fields.xIdempotencyKey} differ.`);
  }
  return key ?? alias;
}

/** A key that stands somewhere else than in Idempotency-Key, in the same form. @param name of its place, for people */
export function readKeyAt(lines: readonly string[], name: string): string | null {
  return oneKey(lines, name);
}

function oneKey(lines: readonly string[], name: string): string | null {
  const line = lines[0];
  if (line === undefined) return null;
  if (lines.length > 1) throw invalidKey(`${name} is present ${lines.length} times.`);
  const text = trimOws(line);
  const key = text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
  if (key.length === 0) throw invalidKey(`${name} is empty.`);
  if (key.length > maxKeyLength) throw invalidKey(`${name} is longer than ${maxKeyLength} characters.`);
  if (!keyCharacters.test(key)) throw invalidKey(`${name} contains a character that is not allowed.`);
  return key;
}

function invalidKey(detail: string): Problem {
  return new Problem("idempotency-key-invalid", { detail });
}

/** How a key is written to a service: always as a structured-field String. */
export function formatIdempotencyKey(key: string): string {
  return `"${key}"`;
}

export type OnDuplicateOption = "join" | "reject" | "replace";

/** Sticky-On-Duplicate; null when absent. Throws `malformed-request`. Whether the route allows it is the route's matter. */
export function readOnDuplicate(lines: readonly string[]): OnDuplicateOption | null {
  const value = oneValue(lines, fields.stickyOnDuplicate);
  if (value === null) return null;
  const word = value.toLowerCase();
  if (word === "join" || word === "reject" || word === "replace") return word;
  throw malformed(`${fields.stickyOnDuplicate} must be join, reject or replace.`);
}

/** Sticky-Force; absent is false. Throws `malformed-request` for anything but true and false. */
export function readForce(lines: readonly string[]): boolean {
  const value = oneValue(lines, fields.stickyForce);
  if (value === null) return false;
  const word = value.toLowerCase();
  if (word === "true" || word === "false") return word === "true";
  throw malformed(`${fields.stickyForce} must be true or false.`);
}

/** Sticky-Deadline in whole seconds from now, as milliseconds; null when absent. Throws `malformed-request`. */
export function readDeadline(lines: readonly string[]): number | null {
  const value = oneValue(lines, fields.stickyDeadline);
  if (value === null) return null;
  if (!/^[1-9][0-9]{0,8}$/.test(value)) {
    throw malformed(`${fields.stickyDeadline} must be a whole number of seconds, at least 1.`);
  }
  return Number(value) * 1000;
}

/** Sticky-Result-Status of a callback: the status a replay shows, 200 when absent. Throws `malformed-request`. */
export function readResultStatus(lines: readonly string[]): number {
  const value = oneValue(lines, fields.stickyResultStatus);
  if (value === null) return 200;
  if (!/^[2-5][0-9]{2}$/.test(value)) {
    throw malformed(`${fields.stickyResultStatus} must be a final status from 200 to 599.`);
  }
  return Number(value);
}

function oneValue(lines: readonly string[], name: string): string | null {
  const line = lines[0];
  if (line === undefined) return null;
  if (lines.length > 1) throw malformed(`${name} is present ${lines.length} times.`);
  return trimOws(line);
}

function malformed(detail: string): Problem {
  return new Problem("malformed-request", { detail });
}
