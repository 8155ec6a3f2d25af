/** Weak entity tags of answers: a digest without the time of the answer, so that an unchanged list is 304. */
import { createHash } from "node:crypto";

export function weakTag(body: unknown): string {
  const text = JSON.stringify(body, (key, value: unknown) => (key === "asOf" ? undefined : value));
  return `W/"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
}

/** If-None-Match (RFC 9110 13.1.2) by weak comparison. */
export function isUnchanged(ifNoneMatch: string | undefined, tag: string): boolean {
  return (ifNoneMatch ?? "").split(",").some((one) => one.trim() === tag || one.trim() === "*");
}
