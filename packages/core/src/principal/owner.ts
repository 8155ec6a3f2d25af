/**
 * Ownership of a process. Of one that a proved principal began, that principal is the owner, whatever its token of the
 * hour. Of any other it is the caller with the credential of the submission, or with the owner token from the reply to
 * that submission: the token keeps working after the client's access token has been rotated.
 */
import { createHmac, timingSafeEqual, type BinaryLike, type KeyObject } from "node:crypto";
import type { Principal } from "./principal.ts";

export type Relation =
  /** The same principal, or a valid owner token. */
  | "owner"
  /** The process was begun without any credential, and the caller brings none and no token. */
  | "anonymous"
  | "stranger";

/** What a process's record says about its owner. */
interface Owned {
  readonly id: string;
  readonly principal: string | null;
  readonly credential: string;
}

/** 43 base64url characters. */
export function ownerToken(secret: BinaryLike | KeyObject, processId: string): string {
  return createHmac("sha256", secret).update(`owner;${processId}`).digest("base64url");
}

/** @param keys any may have made the token @param token the field Sticky-Owner; null: not sent */
export function relationOf(
  keys: readonly (BinaryLike | KeyObject)[],
  owned: Owned,
  caller: Principal,
  token: string | null,
): Relation {
  if (owned.principal !== null)
    return caller.subject !== null && isEqual(caller.digest, owned.credential) ? "owner" : "stranger";
  if (token !== null && keys.some((key) => isEqual(token, ownerToken(key, owned.id)))) return "owner";
  // Begun before authentication was switched on, or for a service that asks for none: the fields are compared.
  if (!isEqual(caller.credential, owned.credential)) return "stranger";
  return owned.credential === "" ? "anonymous" : "owner";
}

/** In constant time for texts of one length. */
function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
