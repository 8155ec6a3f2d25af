/** How a stored response answers one request: in full, as 304, or as a range (RFC 9110 13 and 14). */
import type { RequestHead } from "../http/message.ts";
import { isNotModified } from "./conditional.ts";
import { partOf, rangeWithin, type Part } from "./part.ts";
import { evaluateRange, type RangeAnswer } from "./range.ts";
import type { StoredMetadata } from "./stored-metadata.ts";

/** Conditions are evaluated before the range (RFC 9110 13.2.2). */
export type CacheAnswer =
  | RangeAnswer
  | { readonly as: "not-modified" }
  /** From a stored 206: `range` is relative to the full representation; `skip` bytes of the stored body come before it. */
  | { readonly as: "part"; readonly range: Part; readonly skip: number };

export function answerFrom(
  request: RequestHead,
  stored: Pick<StoredMetadata, "status" | "headers" | "dateAt" | "bodyBytes">,
  now: number,
): CacheAnswer {
  if (isNotModified(request.headers, stored, now)) return { as: "not-modified" };
  if (request.method !== "GET") return { as: "full" };
  if (stored.status === 206) {
    const range = rangeWithin(request, stored, now);
    const skip = (range?.first ?? 0) - (partOf(stored.headers)?.first ?? 0);
    return range === null ? { as: "full" } : { as: "part", range, skip };
  }
  return evaluateRange(request.headers, stored, stored.bodyBytes, now);
}
