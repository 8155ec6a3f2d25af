/**
 * Values at rest under AES-256-GCM (NIST SP 800-38D). A sealed value names its key, so that several can be in use; what
 * begins otherwise was written before a key was given and is taken as it is.
 *
 *   bytes  01 <key id> 0a <nonce, 12> <tag, 16> <ciphertext>
 *   text   "sealed:" <base64 of the same bytes>
 *
 * The additional data say where the value stands: moved elsewhere it does not open.
 */
import { StoreUnavailable } from "@sticky-proxy/core/process";
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, randomBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";

export interface SealingKey {
  /** 1 to 32 letters, digits, dots and dashes; stands beside each value. */
  readonly id: string;
  /** Base64 of 32 bytes. Never logged. */
  readonly secret: string;
}

export interface SealingOptions {
  /** The first writes, all read; none: nothing is sealed. */
  readonly keys: readonly SealingKey[];
  /** false: sealed values are read, new ones are written as they are. */
  readonly write: boolean;
}

/** Each `at` names the value's place, and nothing else in the store has the same one. */
export interface Sealing {
  /** The parts, to be joined; sealed when there is a key that writes. */
  seal(at: string, parts: readonly Uint8Array[]): readonly Uint8Array[];
  /** @throws StoreUnavailable when the key is not here, or the value was changed or moved */
  open(at: string, stored: Buffer): Buffer;
  /** The same for JSON text. */
  sealText(at: string, text: string): string;
  /** @throws as `open` */
  openText(at: string, stored: string): string;
  /** What proves each key to be the same on every node and tells nothing of it, by key id. */
  readonly proofs: ReadonlyMap<string, string>;
}

const sealedMark = 0x01; // JSON begins otherwise
const lineFeed = 0x0a;
const textMark = "sealed:";
const nonceBytes = 12;
const tagBytes = 16;

export function createSealing({ keys, write }: SealingOptions): Sealing {
  const byId = new Map(
    keys.map(({ id, secret }) => [id, createSecretKey(Buffer.from(secret, "base64"))] as const),
  );
  const first = write ? keys[0]?.id : undefined;
  const writing = first === undefined ? null : { id: first, key: byId.get(first)! };

  function opened(at: string, sealed: Buffer): Buffer {
    const idEnd = sealed.indexOf(lineFeed);
    const id = sealed.toString("latin1", 1, Math.max(idEnd, 1));
    const key = byId.get(id);
    if (key === undefined) {
      const shown = /^[\w.-]{1,32}$/.test(id) ? `"${id}"` : "that is damaged";
      throw new StoreUnavailable(`a stored value is sealed under key ${shown}, which this node lacks`);
    }
    return decrypted(key, id, at, sealed.subarray(idEnd + 1));
  }
  const sealing: Sealing = {
    seal: (at, parts) => (writing === null ? parts : encrypted(writing, at, parts)),
    open: (at, stored) => (stored[0] === sealedMark ? opened(at, stored) : stored),
    sealText: (at, text) =>
      writing === null
        ? text
        : `${textMark}${Buffer.concat(encrypted(writing, at, [Buffer.from(text)])).toString("base64")}`,
    openText: (at, stored) =>
      stored.startsWith(textMark)
        ? opened(at, Buffer.from(stored.slice(textMark.length), "base64")).toString()
        : stored,
    proofs: new Map([...byId].map(([id, key]) => [id, proofOf(key)])),
  };
  return sealing;
}

/** Writes and reads values as they are. */
export const unsealed: Sealing = createSealing({ keys: [], write: false });

function encrypted(
  { id, key }: { readonly id: string; readonly key: KeyObject },
  at: string,
  parts: readonly Uint8Array[],
): readonly Uint8Array[] {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(at));
  const sealed = parts.map((part) => cipher.update(part));
  sealed.push(cipher.final());
  return [Buffer.from(`\x01${id}\n`, "latin1"), nonce, cipher.getAuthTag(), ...sealed];
}

function decrypted(key: KeyObject, id: string, at: string, sealed: Buffer): Buffer {
  try {
    const nonce = sealed.subarray(0, nonceBytes);
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(at));
    decipher.setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
    const start = decipher.update(sealed.subarray(nonceBytes + tagBytes));
    return Buffer.concat([start, decipher.final()]);
  } catch (cause) {
    throw new StoreUnavailable(
      `a stored value does not open under key "${id}": it was changed, or stood elsewhere`,
      { cause },
    );
  }
}

function proofOf(key: KeyObject): string {
  return createHmac("sha256", key).update("sticky-proxy;sealing-key").digest("base64url").slice(0, 22);
}
