/**
 * Proofs that a message is authentic: Standard Webhooks signatures over the raw bytes, and execution tokens.
 * Everything secret is compared in constant time; what failed is for our log only, never for the sender.
 */

import { createHmac, timingSafeEqual, type KeyObject } from "node:crypto";

const secretPrefix = "whsec_";
const minSecretBytes = 24;
const maxSecretBytes = 64;
const toleranceMs = 300_000;
const maxSignatures = 10;

/** A decoded Standard Webhooks secret. */
export interface SigningKey {
  readonly bytes: Uint8Array;
}

/** "whsec_<base64 of 24 to 64 bytes>"; null for anything else (the configuration refuses it). */
export function readSigningKey(secret: string): SigningKey | null {
  if (!secret.startsWith(secretPrefix)) return null;
  const encoded = secret.slice(secretPrefix.length);
  const bytes = Buffer.from(encoded, "base64");
  // Buffer skips what is not base64; a typing error would silently make another key.
  if (bytes.toString("base64").replace(/=+$/, "") !== encoded.replace(/=+$/, "")) return null;
  return bytes.length >= minSecretBytes && bytes.length <= maxSecretBytes ? { bytes } : null;
}

export interface WebhookHeaders {
  readonly "webhook-id": string;
  readonly "webhook-timestamp": string;
  readonly "webhook-signature": string;
}

/** Signs with every key, so that the receiver may rotate at its own pace. `now` is epoch ms. */
export function signWebhook(
  id: string,
  body: Uint8Array,
  keys: readonly SigningKey[],
  now: number,
): WebhookHeaders {
  if (!idForm.test(id))
    throw new RangeError("a webhook id has 1 to 256 printable characters and no full stop");
  if (keys.length === 0 || keys.length > maxSignatures)
    throw new RangeError("1 to 10 signing keys are needed");
  const timestamp = String(Math.floor(now / 1000));
  const signatures = keys.map((key) => `v1,${digest(key, id, timestamp, body).toString("base64")}`);
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}

/** The three fields as received: all lines of each. */
export interface ReceivedSignature {
  readonly id: readonly string[];
  readonly timestamp: readonly string[];
  readonly signature: readonly string[];
}

export type SignatureVerdict =
  /** `key` is the index of the key that matched, for a metric that shows when an old one is unused. */
  | { readonly valid: true; readonly id: string; readonly key: number }
  /** `absent`: none of the three fields is there, so the message makes no claim at all. */
  | { readonly valid: false; readonly reason: "absent" | "malformed" | "timestamp" | "mismatch" };

/**
 * The full stop separates the signed parts. With one inside an id, (id "a", body "1700000000.x") and
 * (id "a.<time>", body "x") could share a signature, so such ids are refused.
 */
const idForm = /^[\x21-\x2d\x2f-\x7e]{1,256}$/;

/** Checks a Standard Webhooks signature over the bytes exactly as received. `now` is epoch ms of the store's clock. */
export function verifyWebhook(
  received: ReceivedSignature,
  body: Uint8Array,
  keys: readonly SigningKey[],
  now: number,
): SignatureVerdict {
  const present = received.id.length + received.timestamp.length + received.signature.length;
  if (present === 0) return { valid: false, reason: "absent" };
  const [id] = received.id;
  const [timestamp] = received.timestamp;
  const [signature] = received.signature;
  if (present !== 3 || id === undefined || timestamp === undefined || signature === undefined) {
    return { valid: false, reason: "malformed" };
  }
  if (!idForm.test(id) || !/^\d{10}$/.test(timestamp)) return { valid: false, reason: "malformed" };
  if (Math.abs(now - Number(timestamp) * 1000) > toleranceMs) return { valid: false, reason: "timestamp" };

  const offered = signature.split(" ", maxSignatures + 1);
  if (offered.length > maxSignatures) return { valid: false, reason: "malformed" };
  const candidates = offered
    .filter((entry) => entry.startsWith("v1,"))
    .map((entry) => Buffer.from(entry.slice(3)));
  let matched: number | null = null;
  for (const [index, key] of keys.entries()) {
    const expected = Buffer.from(digest(key, id, timestamp, body).toString("base64"));
    for (const candidate of candidates) if (equal(candidate, expected)) matched ??= index;
  }
  return matched === null ? { valid: false, reason: "mismatch" } : { valid: true, id, key: matched };
}

function digest(key: SigningKey, id: string, timestamp: string, body: Uint8Array): Buffer {
  return createHmac("sha256", key.bytes).update(`${id}.${timestamp}.`).update(body).digest();
}

/**
 * Sticky-Execution: `<attempt>.<HMAC>`, which proves that its bearer was sent this attempt of this process.
 * Nothing is stored for it; it stays valid as long as the process is known.
 */
export function executionToken(
  secret: Uint8Array | string | KeyObject,
  processId: string,
  attempt: number,
): string {
  return `${attempt}.${executionMac(secret, processId, attempt)}`;
}

/** The attempt that the token was made for; null: not our token, or another process's. */
export function verifyExecutionToken(
  secret: Uint8Array | string | KeyObject,
  processId: string,
  token: string,
): number | null {
  const match = /^([1-9][0-9]{0,8})\.([A-Za-z0-9_-]{43})$/.exec(token);
  if (match === null) return null;
  const attempt = Number(match[1]);
  const expected = executionMac(secret, processId, attempt);
  return equal(Buffer.from(match[2]!), Buffer.from(expected)) ? attempt : null;
}

function executionMac(secret: Uint8Array | string | KeyObject, processId: string, attempt: number): string {
  // The label keeps this HMAC apart from scopes and other digests made with the same secret.
  const text = `execution\n${processId.length}:${processId}\n${attempt}`;
  return createHmac("sha256", secret).update(text).digest("base64url");
}

/** timingSafeEqual throws on unequal lengths; the length of a MAC is no secret. */
function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Compares a configured secret (such as a shared token) with what was sent, without telling how much of it was right. */
export function equalSecrets(given: string, expected: string): boolean {
  const mac = (text: string): Buffer => createHmac("sha256", "compare").update(text).digest();
  return timingSafeEqual(mac(given), mac(expected));
}
