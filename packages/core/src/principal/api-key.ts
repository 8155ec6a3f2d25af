/** API keys: what a client sends, and what is kept of it. Pure; the caller draws the random bytes. */
import { createHash } from "node:crypto";
import type { GrantScope } from "./grant.ts";

/** What the store keeps under the digest of a key; the key itself is nowhere at rest. */
export interface ApiKey {
  /** Names the key to operators; it proves nothing. */
  readonly id: string;
  readonly principal: string;
  readonly scopes: readonly GrantScope[];
  /** Epoch ms. */
  readonly createdAt: number;
  /** Epoch ms; null: never. */
  readonly expiresAt: number | null;
}

const prefix = "sticky_";
const shape = /^sticky_[A-Za-z0-9_-]{43}$/;

/** @param random 32 bytes */
export function apiKeyText(random: Uint8Array): string {
  return prefix + Buffer.from(random).toString("base64url");
}

/** false: not a key of this gateway, so it may be a credential of the service behind it. */
export function isApiKeyText(text: string): boolean {
  return shape.test(text);
}

/** SHA-256, base64url. 256 random bits need no slow hash: nobody can try them. */
export function apiKeyDigest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
