/**
 * Conditions and ranges of a request (RFC 9110 13, 14; RFC 4918 10.4) name versions and bytes of the primary. The
 * secondary has versions of its own: a copy carries no condition, and what the primary did not do for one is not copied.
 */
import type { HeaderList } from "../http/message.ts";

/** Also the vendors' forms, such as x-goog-if-generation-match and x-ms-range. */
const condition = /^(?:if|range)$|(?:^|-)if-|^x-(?:ms|goog|amz)-range$/;

/** `field` is lower-case. */
export function isCondition(field: string): boolean {
  return condition.test(field);
}

/** The primary refused because of the versions it has, or wants one named: nothing was written. null: no answer. */
export function conditionFailed(status: number | null): boolean {
  return status === 304 || status === 412 || status === 428;
}

/**
 * An answer that only the condition or range explains: the copy's cannot be compared with it. `request`: null where its
 * conditions are not kept.
 */
export function answersCondition(status: number | null, request: HeaderList | null): boolean {
  const isSpecial = status === 206 || status === 304 || status === 412 || status === 416;
  return isSpecial && (request === null || request.some(([name]) => isCondition(name.toLowerCase())));
}

/** The primary took the write and the secondary did not: the key's copies cannot go on as if nothing were. */
export function isRefusedWrite(method: string, primary: number | null, secondary: number): boolean {
  const isRead = method === "GET" || method === "HEAD" || method === "OPTIONS" || method === "TRACE";
  return !isRead && (primary === null || primary < 400) && secondary >= 400;
}
