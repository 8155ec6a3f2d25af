/** One byte range of a stored 200 (RFC 9110 14 and 13.1.5). */
import { headerLines, headerValue, type HeaderList } from "../http/message.ts";
import { isStrong, type Representation } from "./conditional.ts";
import { parseHttpDate } from "@sticky-proxy/protocol/http";

export type RangeAnswer =
  /** No range, more than one, a unit or form we do not know, or If-Range did not hold: the whole. */
  | { readonly as: "full" }
  /** Both ends inclusive. */
  | { readonly as: "range"; readonly first: number; readonly last: number }
  | { readonly as: "unsatisfiable" };

const full: RangeAnswer = { as: "full" };

/** `length`: the stored body in bytes. A range is only cut from a 200 (14.2). */
export function evaluateRange(
  request: HeaderList,
  stored: Representation,
  length: number,
  now: number,
): RangeAnswer {
  const [line, ...more] = headerLines(request, "range");
  if (line === undefined || more.length > 0 || stored.status !== 200 || !ifRangeHolds(request, stored, now))
    return full;
  const range = /^bytes=[ \t]*(?:([0-9]+)-([0-9]*)|-([0-9]+))[ \t]*$/i.exec(line);
  if (range === null) return full;
  const [, from, to, suffix] = range;
  if (suffix !== undefined) {
    const wanted = Number(suffix);
    if (wanted === 0 || length === 0) return { as: "unsatisfiable" };
    return { as: "range", first: Math.max(0, length - wanted), last: length - 1 };
  }
  const first = Number(from);
  const last = to === "" || to === undefined ? Infinity : Number(to);
  if (last < first) return full; // 14.1.1: invalid, so the field is ignored
  if (first >= length) return { as: "unsatisfiable" };
  return { as: "range", first, last: Math.min(last, length - 1) };
}

/** 13.1.5: strong comparison of entity tags, or exactly our Last-Modified while that is a strong validator (8.8.2.2). */
function ifRangeHolds(request: HeaderList, stored: Representation, now: number): boolean {
  const condition = headerValue(request, "if-range");
  if (condition === null) return true;
  if (condition.startsWith('"') || condition.startsWith("W/")) {
    return isStrong(condition) && condition === headerValue(stored.headers, "etag");
  }
  const modified = headerValue(stored.headers, "last-modified");
  if (modified === null) return false;
  const [wantedAt, modifiedAt] = [parseHttpDate(condition, now), parseHttpDate(modified, now)];
  if (wantedAt === null || modifiedAt === null) return false;
  return wantedAt === modifiedAt && stored.dateAt - modifiedAt >= 1000;
}
