/**
 * Whose request it is. Decided here and nowhere else; scope, comparison, cache, pauses, budgets and order keys read it.
 *
 * A principal is the subject that an authentication has proved, else the digest of the service's credential fields,
 * else nobody. A digest tells two callers apart and proves nothing: anybody can invent one.
 */
import { createHmac, type BinaryLike, type KeyObject } from "node:crypto";
import type { HeaderList } from "../http/message.ts";
import { credentialDigest, credentialValues, type CredentialRules } from "./credential.ts";

export interface Principal {
  /** Who it is by the gateway's authentication; null: nobody has proved anything. */
  readonly subject: string | null;
  /** 43 base64url characters; "": nobody. What is stored and compared. */
  readonly digest: string;
  /** The digest of the credential fields whoever sent them: what counted before authentication was switched on. */
  readonly credential: string;
}

export const nobody: Principal = { subject: null, digest: "", credential: "" };

/**
 * The digests are made when they are first read: a plain request needs none.
 * @param subject as the authentication named it; null: the service asks for none
 */
export function principalOf(
  secret: BinaryLike | KeyObject,
  headers: HeaderList,
  rules: CredentialRules,
  subject: string | null,
): Principal {
  let credential: string | null = null;
  let proved: string | null = null;
  return {
    subject,
    get credential() {
      return (credential ??= credentialDigest(secret, credentialValues(headers, rules)));
    },
    get digest() {
      return subject === null ? this.credential : (proved ??= subjectDigest(secret, subject));
    },
  };
}

/** What enters a scope, a cache key and an order key: only what was proved; "" for everybody else. */
export function provedDigest(principal: Pick<Principal, "subject" | "digest">): string {
  return principal.subject === null ? "" : principal.digest;
}

function subjectDigest(secret: BinaryLike | KeyObject, subject: string): string {
  return createHmac("sha256", secret).update(`subject;${subject}`).digest("base64url");
}
