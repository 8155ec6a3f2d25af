/**
 * Page tokens of the admin API: sealed, so that nobody makes one up, and bound to the query, so that one is not used
 * with another filter. They carry the store's cursor and the times that the first page made absolute.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

export const pageTokenMs = 24 * 3_600_000;

export interface PageState {
  readonly cursor: string;
  /** When the first page was asked for, epoch ms: relative times of the filter count from it. */
  readonly asOf: number;
}

/** @param query the filter in one fixed spelling */
export function sealPage(key: string, query: string, state: PageState): string {
  const body = Buffer.from(JSON.stringify([state.cursor, state.asOf])).toString("base64url");
  return `${body}.${macOf(key, query, body)}`;
}

/** null: made up, of another query, or older than a day. */
export function openPage(key: string, query: string, token: string, now: number): PageState | null {
  const [body = "", mac = "", ...rest] = token.split(".");
  const expected = macOf(key, query, body);
  if (rest.length > 0 || mac.length !== expected.length) return null;
  if (!timingSafeEqual(Buffer.from(mac), Buffer.from(expected))) return null;
  const [cursor, asOf] = JSON.parse(Buffer.from(body, "base64url").toString()) as [string, number];
  return now - asOf > pageTokenMs ? null : { cursor, asOf };
}

function macOf(key: string, query: string, body: string): string {
  return createHmac("sha256", key).update(`page:${query}:${body}`).digest("base64url").slice(0, 22);
}
