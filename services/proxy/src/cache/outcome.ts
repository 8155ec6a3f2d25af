/**
 * How the cache handled one GET or HEAD, in the words of RFC 9111 and RFC 9211.
 *
 * The files of one request, from top to bottom: serve-cached.ts (the request as HTTP), rounds.ts (look-up and decision),
 * then either serve-stored.ts, or serve-fetched.ts with flights.ts, fetch.ts and exchange.ts below it.
 */
import type { BypassReason, CacheResult, CacheStatus } from "@sticky-proxy/core/cache";
import type { Source } from "@sticky-proxy/protocol";
import type { Failed } from "@sticky-proxy/upstream";
import type { Reply } from "../reply.ts";

/** What Cache-Status, X-Cache and Sticky-Source say of a response; what is absent is not mentioned. */
export interface CacheHandling extends Partial<CacheStatus> {
  readonly result: CacheResult;
  readonly source: Source;
}

/** Ends the request. */
export type FinalOutcome =
  /** Answered with a stored response (hit, stale, revalidated) or with the service's (forwarded). */
  | { readonly kind: "response"; readonly reply: Reply; readonly handling: CacheHandling }
  /** The cache does not apply to the request: forwarded, the store neither read nor written. */
  | { readonly kind: "bypass"; readonly reason: BypassReason }
  /** only-if-cached, and no stored response satisfies the request: 504 (RFC 9111 5.2.1.7). */
  | { readonly kind: "not-cached" }
  /** The service gave no response, and no stored one may replace it. */
  | {
      readonly kind: "failed";
      readonly failed: Failed;
      /** The fetch was another request's. */
      readonly collapsed: boolean;
      /** A stored response exists that may not be served unvalidated: 504 (RFC 9111 5.2.2.2). */
      readonly mustValidate: boolean;
    };

/** Asks for another round. */
export type OpenOutcome =
  /** Something was stored or dropped under the key since the look-up. */
  | { readonly kind: "key-changed" }
  /** The response of the collapsed fetch may not be reused for this request: it is forwarded by itself. */
  | { readonly kind: "not-reusable" }
  /** The collapsed fetch is for another variant; `varyNames`: by which fields the request finds those that want its own. */
  | { readonly kind: "other-variant"; readonly varyNames: readonly string[] }
  /** The body of the stored response was evicted, or the store does not answer. */
  | { readonly kind: "unreadable" };

export type CacheOutcome = FinalOutcome | OpenOutcome;
