/**
 * A stored 206 (RFC 9111 3.3): one part of a representation, for requests of a range within it. It is never joined with
 * others and never validated; while it is fresh it saves a request, then it is as if it were not there.
 */
import { headerValue, type HeaderList, type RequestHead } from "../http/message.ts";
import { hasCondition } from "./conditional.ts";
import { evaluateRange } from "./range.ts";
import type { StoredMetadata } from "./stored-metadata.ts";

/** Both ends inclusive, of a whole of `length` bytes. */
export interface Part {
  readonly first: number;
  readonly last: number;
  readonly length: number;
}

/** The single part that a 206 carries; null: several, another unit, a whole of unknown length, or a length that does not fit. */
export function partOf(headers: HeaderList): Part | null {
  const found = /^bytes ([0-9]+)-([0-9]+)\/([0-9]+)$/i.exec(headerValue(headers, "content-range") ?? "");
  if (found === null) return null;
  const [first = 0, last = 0, length = 0] = found.slice(1).map(Number);
  return first <= last && last < length ? { first, last, length } : null;
}

/** The range of the whole that the request asks for, when it lies within the stored part; null: it cannot answer. */
export function rangeWithin(
  { method, headers }: RequestHead,
  stored: Pick<StoredMetadata, "headers" | "dateAt">,
  now: number,
): Part | null {
  const part = partOf(stored.headers);
  if (method !== "GET" || part === null || hasCondition(headers)) return null;
  const range = evaluateRange(headers, { ...stored, status: 200 }, part.length, now);
  if (range.as !== "range" || range.first < part.first || range.last > part.last) return null;
  return { first: range.first, last: range.last, length: part.length };
}
