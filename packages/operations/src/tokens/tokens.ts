/** Tokens of operators: create, list, revoke, and check the one that somebody shows. */
import { createHash, timingSafeEqual } from "node:crypto";
import { asEpochMs } from "@sticky-proxy/protocol";
import {
  readToken,
  writeToken,
  type OperatorToken,
  type OperatorTokens,
  type Role,
} from "@sticky-proxy/core/operators";

export interface TokenPorts {
  readonly tokens: OperatorTokens;
  /** Random bytes that nobody can guess. */
  readonly randomBytes: (count: number) => Uint8Array;
}

export interface NewToken {
  readonly name: string;
  readonly role: Role;
  /** From now; null: until it is revoked. */
  readonly ttlMs: number | null;
  /** Ends at its first login. */
  readonly once: boolean;
}

/** A token without what proves it. */
export type ListedToken = Omit<OperatorToken, "hash">;

/** `secret` is the whole token, which is shown once and kept nowhere. @throws StoreUnavailable */
export async function createToken(
  { tokens, randomBytes }: TokenPorts,
  { name, role, ttlMs, once }: NewToken,
): Promise<{ readonly token: ListedToken; readonly secret: string }> {
  const id = Array.from(randomBytes(12), (byte) => (byte % 36).toString(36)).join("");
  const secret = Buffer.from(randomBytes(32)).toString("base64url");
  const createdAt = await tokens.now();
  const expiresAt = ttlMs === null ? null : asEpochMs(createdAt + ttlMs);
  const token = { id, name, role, createdAt, expiresAt, once };
  await tokens.put({ ...token, hash: hashOf(secret) });
  return { token, secret: writeToken(id, secret) };
}

/** Newest first. @throws StoreUnavailable */
export async function listTokens({ tokens }: Pick<TokenPorts, "tokens">): Promise<readonly ListedToken[]> {
  return (await tokens.list()).map(withoutHash);
}

/** Ends the sessions that were opened with it too. false: there is no such token. @throws StoreUnavailable */
export function revokeToken({ tokens }: Pick<TokenPorts, "tokens">, id: string): Promise<boolean> {
  return tokens.remove(id);
}

/** The token that the text proves; null: none, expired or revoked. Compares in constant time. @throws StoreUnavailable */
export async function checkToken(
  { tokens }: Pick<TokenPorts, "tokens">,
  text: string,
): Promise<ListedToken | null> {
  const read = readToken(text);
  const found = read === null ? null : await tokens.get(read.id);
  if (read === null || found === null) return null;
  const { hash, ...token } = found;
  const isProven = timingSafeEqual(Buffer.from(hash, "hex"), Buffer.from(hashOf(read.secret), "hex"));
  return isProven ? token : null;
}

function withoutHash({ hash, ...token }: OperatorToken): ListedToken {
  void hash;
  return token;
}

function hashOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
