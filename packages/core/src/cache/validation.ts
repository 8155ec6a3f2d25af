/** What an answer to our validation, or to a forwarded HEAD, does to the stored response (RFC 9111 4.3). */
import { headerValue, type HeaderLine, type HeaderList, type ResponseHead } from "../http/message.ts";
import { announcedLength } from "./storable-headers.ts";
import { isStrong } from "./conditional.ts";
import { endToEnd, type StoredMetadata } from "./stored-metadata.ts";

/** Fields that describe the stored body or this hop; a newer message cannot change them (3.2). */
export const keptFields: ReadonlySet<string> = new Set([
  "content-length",
  "content-encoding",
  "content-range",
]);

/**
 * Stored fields with every field of the newer message in place of its older lines (3.2). A newer message without a
 * Date is of the time of its receipt (9110 6.6.1): the older Date goes, and the judgement fills in the new one.
 */
export function mergeHeaders(stored: HeaderList, newer: HeaderList): HeaderList {
  const updates = endToEnd(newer).filter(([name]) => !keptFields.has(name.toLowerCase()));
  const updated = new Set(["date", ...updates.map(([name]) => name.toLowerCase())]);
  const kept: HeaderLine[] = stored.filter(([name]) => !updated.has(name.toLowerCase()));
  return [...kept, ...updates];
}

/**
 * The response to judge and store anew after a 304, or null: the 304 is about something else than
 * we hold (4.3.4), so the request has to be sent again without conditions.
 * The headers still carry an Age the 304 may have had: the judgement turns it into the new age.
 */
export function freshen(stored: StoredMetadata, notModified: ResponseHead): ResponseHead | null {
  if (!selects(notModified.headers, stored.headers)) return null;
  // A cookie of the 304 is the validating client's; it says nothing about what is stored for all.
  const shared = notModified.headers.filter(([name]) => name.toLowerCase() !== "set-cookie");
  return { status: stored.status, headers: mergeHeaders(stored.headers, shared) };
}

function selects(notModified: HeaderList, stored: HeaderList): boolean {
  const newTag = headerValue(notModified, "etag");
  const tag = headerValue(stored, "etag");
  if (newTag !== null) {
    if (tag === null) return false;
    return isStrong(newTag) ? newTag === tag : opaqueTag(newTag) === opaqueTag(tag);
  }
  const newModified = headerValue(notModified, "last-modified");
  if (newModified === null || tag !== null) return true;
  return newModified === headerValue(stored, "last-modified");
}

function opaqueTag(tag: string): string {
  return tag.startsWith("W/") ? tag.slice(2) : tag;
}

/**
 * A forwarded HEAD against the stored GET (4.3.5): the same representation freshens it,
 * another one, or none at all, drops it. `keep`: the answer says nothing about it.
 */
export type HeadEffect =
  | { readonly effect: "freshen"; readonly response: ResponseHead }
  | { readonly effect: "drop" }
  | { readonly effect: "keep" };

export function headEffect(stored: StoredMetadata, head: ResponseHead): HeadEffect {
  if (head.status === 404 || head.status === 410) return { effect: "drop" };
  if (head.status !== 200 || stored.status !== 200) return { effect: "keep" };
  for (const name of ["etag", "last-modified"] as const) {
    const seen = headerValue(head.headers, name);
    if (seen !== null && seen !== headerValue(stored.headers, name)) return { effect: "drop" };
  }
  if (
    headerValue(head.headers, "content-length") !== null &&
    announcedLength(head.headers) !== stored.bodyBytes
  ) {
    return { effect: "drop" };
  }
  return {
    effect: "freshen",
    response: { status: stored.status, headers: mergeHeaders(stored.headers, head.headers) },
  };
}
