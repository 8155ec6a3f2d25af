/** What is kept of a storable response besides its body: all that later decisions need, computed once. */
import { isHopByHop, splitList } from "@sticky-proxy/protocol/http";
import type { HeaderLine, HeaderList } from "../http/message.ts";

export interface StoredMetadata {
  /** The URI's public form, for look-up only. */
  readonly url: string;
  readonly status: number;
  /** End-to-end fields that may be reused; without Age, Content-Length and what no-cache="…" or private="…" names. */
  readonly headers: HeaderList;
  /** A bodyId is never written twice. Null: no body bytes were stored because there are none. */
  readonly bodyId: string | null;
  readonly bodyBytes: number;
  /** Lower-case names that select among variants: Vary and the route's own picks, sorted. */
  readonly varyNames: readonly string[];
  /** Identifies (varyNames, the request's values for them). */
  readonly variant: string;
  /** The selectors by which a purge finds it, besides the key. */
  readonly selectors: readonly string[];
  /** The partition's generation when the fetch began. */
  readonly generation: number;
  /** Server time of the response's receipt (RFC 9111 4.2.3). */
  readonly responseAt: number;
  /** corrected_initial_age of RFC 9111 4.2.3. */
  readonly initialAgeMs: number;
  readonly lifetimeMs: number;
  /** Where the lifetime comes from. */
  readonly lifetimeFrom: LifetimeSource;
  /** Epoch ms of Date, of receipt where there was none. */
  readonly dateAt: number;
  /** Bare no-cache: every reuse is validated first (5.2.2.4). */
  readonly noCache: boolean;
  /** must-revalidate, proxy-revalidate, s-maxage or bare no-cache: never served stale (4.2.4). */
  readonly neverStale: boolean;
  /** Windows after the lifetime; null: the response does not say (RFC 5861). */
  readonly staleWhileRevalidateMs: number | null;
  readonly staleIfErrorMs: number | null;
  /** May answer requests with Authorization (3.5). */
  readonly sharedWithAuthorization: boolean;
  /** From responseAt: how long the store keeps it. */
  readonly retainMs: number;
}

export type LifetimeSource =
  | "s-maxage"
  | "max-age"
  | "expires"
  | "negative"
  | "default"
  | "heuristic"
  | "none";

/** The fields that belong to the message rather than to this hop: what a cache may store (RFC 9111 3.1). */
export function endToEnd(headers: HeaderList): HeaderLine[] {
  const listed = new Set<string>();
  for (const [name, value] of headers) {
    if (name.toLowerCase() === "connection") {
      for (const option of splitList(value)) listed.add(option.toLowerCase());
    }
  }
  return headers.filter(([name]) => {
    const lower = name.toLowerCase();
    return !isHopByHop(lower) && !listed.has(lower);
  });
}
