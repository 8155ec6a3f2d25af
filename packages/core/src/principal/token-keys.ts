/**
 * The keys of execution and owner tokens. Not those of scopes and fingerprints: changing these would run every key again.
 * They stand outside the store, so that read access to Redis does not yield them.
 */
import { createSecretKey, type KeyObject } from "node:crypto";

export interface TokenKeys {
  /** New tokens are made with it. */
  readonly mint: KeyObject;
  /** A token of any of these holds. */
  readonly accept: readonly KeyObject[];
}

export interface TokenPolicy {
  /** Newest first; empty: the store's own. */
  readonly secrets: readonly string[];
  /** Tokens made with the store's own secret hold still: while processes of before are under way. */
  readonly acceptStored: boolean;
}

/** @param stored the store's own secret */
export function tokenKeys({ secrets, acceptStored }: TokenPolicy, stored: Buffer): TokenKeys {
  const own = createSecretKey(stored);
  const given = secrets.map((secret) => createSecretKey(secret, "utf8"));
  const [mint = own] = given;
  return { mint, accept: given.length === 0 || acceptStored ? [...given, own] : given };
}
