/**
 * Ownership of a process. The owner is the caller with the credential of the submission, or with the owner token from the
 * reply to that submission. The token keeps working after the client's access token has been rotated.
 */
import { createHmac, timingSafeEqual, type BinaryLike, type KeyObject } from "node:crypto";

export type Relation =
  /** The same credential, or a valid owner token. */
  | "owner"
  /** The process was begun without any credential, and the caller brings none and no token. */
  | "anonymous"
  | "stranger";

export interface Caller {
  /** From credentialDigest, by the sources of the process's service; "" without a credential. */
  readonly credential: string;
  /** The field Sticky-Owner; null: not sent. */
  readonly token: string | null;
}

/** 43 base64url characters. */
export function ownerToken(secret: BinaryLike | KeyObject, processId: string): string {
  return createHmac("sha256", secret).update(`owner;${processId}`).digest("base64url");
}

export function relationOf(
  secret: BinaryLike | KeyObject,
  owned: { readonly id: string; readonly credential: string },
  caller: Caller,
): Relation {
  if (caller.token !== null && isEqual(caller.token, ownerToken(secret, owned.id))) return "owner";
  if (!isEqual(caller.credential, owned.credential)) return "stranger";
  return owned.credential === "" ? "anonymous" : "owner";
}

/** In constant time for texts of one length. */
function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
