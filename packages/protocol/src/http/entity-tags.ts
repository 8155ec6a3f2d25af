/** Entity tags and lists of them (RFC 9110 8.8.3, 13.1.1). */
import { trimOws } from "./list.ts";

/** The members of If-Match or If-None-Match. Quotes in a tag end at the next quote: unlike a quoted-string it knows no escapes. */
export function entityTags(text: string): string[] {
  const members = text.matchAll(/[ \t]*((?:W\/)?"[^"]*"|[^,]+)/g);
  return Array.from(members, ([, member = ""]) => trimOws(member)).filter((member) => member !== "");
}

/** Weak comparison (8.8.3.2): which of the two is weak does not count. */
export function isSameTag(one: string, other: string): boolean {
  return opaque(one) === opaque(other);
}

function opaque(etag: string): string {
  return etag.startsWith("W/") ? etag.slice(2) : etag;
}
