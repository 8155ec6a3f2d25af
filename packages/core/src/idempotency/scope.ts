/** The scope: the unit of mutual exclusion, and the place of its keys in the store. */

import type { Scope } from "@sticky-proxy/protocol";
import { createHmac, type BinaryLike, type KeyObject } from "node:crypto";

export type ScopeIdentity =
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "fingerprint"; readonly value: string }
  /** For a process that nobody can ask for again; `value` is drawn by the caller. */
  | { readonly kind: "random"; readonly value: string };

export interface ScopeInput {
  /** Of the principal where an authentication has proved it; "" for everybody else. */
  readonly principal: string;
  readonly service: string;
  /** Of the request, where the service answers each host in its own way; "": it does not. */
  readonly host: string;
  readonly identity: ScopeIdentity;
}

/** 22 base64url characters (132 bits) of a keyed hash: outsiders can neither guess a scope nor read a key from it. */
export function scopeOf(
  secret: BinaryLike | KeyObject,
  { principal, service, host, identity }: ScopeInput,
): Scope {
  const text = `scope;${part(principal)}${part(service)}${host === "" ? "" : part(`h:${host}`)}${part(identityText(identity))}`;
  return createHmac("sha256", secret).update(text).digest("base64url").slice(0, 22) as Scope;
}

function identityText(identity: ScopeIdentity): string {
  switch (identity.kind) {
    case "key":
      return `k:${identity.key}`;
    case "fingerprint":
      return `f:${identity.value}`;
    case "random":
      return `r:${identity.value}`;
  }
}

function part(value: string): string {
  return `${value.length}:${value};`;
}

/** The partition of a scope among `partitions`. */
export function partitionOf(scope: string, partitions: number): number {
  return crc16(scope) % partitions;
}

const crcTable = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc & 0xffff;
});

/** CRC16-XMODEM (polynomial 0x1021, start 0) of ASCII text, the one Redis Cluster uses for its slots. */
export function crc16(text: string): number {
  let crc = 0;
  for (let i = 0; i < text.length; i++) {
    crc = ((crc << 8) & 0xffff) ^ crcTable[((crc >> 8) ^ text.charCodeAt(i)) & 0xff]!;
  }
  return crc;
}
