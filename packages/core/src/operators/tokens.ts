/**
 * Tokens of operators: `sat_<id>_<secret>`. The id finds the record, the secret proves it; only the secret's SHA-256
 * is kept, so whoever reads Redis cannot log in.
 */
import type { EpochMs } from "@sticky-proxy/protocol";
import type { Role } from "./roles.ts";

export interface OperatorToken {
  /** 12 letters and digits. */
  readonly id: string;
  /** For people: whose or what for. */
  readonly name: string;
  readonly role: Role;
  readonly createdAt: EpochMs;
  /** null: until it is revoked. */
  readonly expiresAt: EpochMs | null;
  /** SHA-256 of the secret, hex. */
  readonly hash: string;
  /** Ends at its first login: the link that a first start prints. */
  readonly once: boolean;
}

/** Where tokens are kept. @throws StoreUnavailable */
export interface OperatorTokens {
  /** The store's clock. */
  now(): Promise<EpochMs>;
  put(token: OperatorToken): Promise<void>;
  /** null: unknown, revoked or expired. */
  get(id: string): Promise<OperatorToken | null>;
  list(): Promise<readonly OperatorToken[]>;
  /** false: there was none. */
  remove(id: string): Promise<boolean>;
}

const idPattern = /^[a-z0-9]{12}$/;
const secretPattern = /^[A-Za-z0-9_-]{43}$/;

/** @param secret 32 random bytes as base64url */
export function writeToken(id: string, secret: string): string {
  return `sat_${id}_${secret}`;
}

/** null: not in the form of a token. */
export function readToken(text: string): { readonly id: string; readonly secret: string } | null {
  const [kind, id = "", ...rest] = text.split("_");
  const secret = rest.join("_"); // base64url has underscores of its own
  return kind === "sat" && idPattern.test(id) && secretPattern.test(secret) ? { id, secret } : null;
}
