/** The client's preconditions against a stored response (RFC 9111 4.3.2, RFC 9110 13.1 and 13.2.2). */
import { headerLines, headerValue, type HeaderLine, type HeaderList } from "../http/message.ts";
import { entityTags, isSameTag, parseHttpDate } from "@sticky-proxy/protocol/http";

export interface Representation {
  readonly status: number;
  readonly headers: HeaderList;
  readonly dateAt: number;
}

/** true: the client's copy is current, so the answer is 304. Only a 200 can be "not modified" (9110 13.2.1). */
export function isNotModified(request: HeaderList, stored: Representation, now: number): boolean {
  if (stored.status !== 200) return false;
  const tags = headerLines(request, "if-none-match");
  if (tags.length > 0) return matchesAny(tags, headerValue(stored.headers, "etag"));
  const [since, ...more] = headerLines(request, "if-modified-since");
  if (since === undefined || more.length > 0) return false;
  const sinceAt = parseHttpDate(since, now);
  if (sinceAt === null) return false;
  const modified = headerValue(stored.headers, "last-modified");
  const modifiedAt = modified === null ? stored.dateAt : parseHttpDate(modified, now);
  // Whole seconds: dateAt may be a time of receipt.
  return modifiedAt !== null && Math.floor(modifiedAt / 1000) <= Math.floor(sinceAt / 1000);
}

/**
 * true: the answer is 412 (9110 13.2.2, steps 1 and 2). For whoever is the origin of what it serves; a cache lets these
 * conditions through. A representation without Last-Modified ignores If-Unmodified-Since (13.1.4).
 */
export function isPreconditionFailed(request: HeaderList, stored: Representation, now: number): boolean {
  const tags = headerLines(request, "if-match");
  if (tags.length > 0) {
    const members = entityTags(tags.join(","));
    const etag = headerValue(stored.headers, "etag");
    return !members.includes("*") && (etag === null || !isStrong(etag) || !members.includes(etag));
  }
  const [since, ...more] = headerLines(request, "if-unmodified-since");
  const modified = headerValue(stored.headers, "last-modified");
  if (since === undefined || more.length > 0 || modified === null) return false;
  const sinceAt = parseHttpDate(since, now);
  const modifiedAt = parseHttpDate(modified, now);
  return sinceAt !== null && modifiedAt !== null && modifiedAt > sinceAt;
}

/** If-None-Match uses weak comparison (9110 8.8.3.2); "*" matches whatever is there. */
function matchesAny(lines: readonly string[], etag: string | null): boolean {
  const members = entityTags(lines.join(","));
  if (members.includes("*")) return true;
  return etag !== null && members.some((member) => isSameTag(member, etag));
}

export function isStrong(etag: string): boolean {
  return etag.startsWith('"');
}

/** Preconditions that only the origin can judge (9110 13.1.1, 13.1.4): a cache must let them through. */
export function hasOriginPrecondition(request: HeaderList): boolean {
  return headerValue(request, "if-match") !== null || headerValue(request, "if-unmodified-since") !== null;
}

/** Preconditions that a cache can judge, given a stored response. */
export function hasCondition(request: HeaderList): boolean {
  return headerValue(request, "if-none-match") !== null || headerValue(request, "if-modified-since") !== null;
}

export const preconditions: ReadonlySet<string> = new Set([
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
  "range",
]);

/** The request as sent for the whole representation: the client's own conditions and range are judged here later. */
export function withoutConditions(request: HeaderList): HeaderList {
  return request.filter(([name]) => !preconditions.has(name.toLowerCase()));
}

/** The validators of a stored response as conditions (RFC 9111 4.3.1); empty when it has none. */
export function validationFields(stored: HeaderList): HeaderLine[] {
  const etag = headerValue(stored, "etag");
  const modified = headerValue(stored, "last-modified");
  const fields: HeaderLine[] = [];
  if (etag !== null) fields.push(["If-None-Match", etag]);
  if (modified !== null) fields.push(["If-Modified-Since", modified]);
  return fields;
}

export const notIn304: ReadonlySet<string> = new Set([
  "content-length",
  "content-type",
  "content-encoding",
  "content-language",
  "content-range",
]);

/** The fields of a 304 made from a stored 200: what guides the client's cache, not the representation (9110 15.4.5). */
export function notModifiedHeaders(headers: HeaderList): HeaderList {
  const hasEtag = headerValue(headers, "etag") !== null;
  return headers.filter(([name]) => {
    const lower = name.toLowerCase();
    return !notIn304.has(lower) && !(hasEtag && lower === "last-modified");
  });
}
