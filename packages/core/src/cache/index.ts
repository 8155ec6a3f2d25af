// Decisions: how a request is answered, and what may be stored (RFC 9111 3 and 4).
export { isOtherVariant, mayReuseCollapsed } from "./collapsed.ts";
export { isErrorStatus, type Fallback } from "./fallback.ts";
export { decide, remainingMs, type BypassReason, type CacheDecision } from "./reuse.ts";
export { judge, type Judgement } from "./storable.ts";
export type { NotStorable } from "./storage-refusal.ts";
export { answerFrom, type CacheAnswer } from "./stored-answer.ts";
export { freshen, headEffect } from "./validation.ts";

// Age, conditional requests, ranges and variants (RFC 9111 4.1 to 4.3, RFC 9110 13 and 14).
export {
  isNotModified,
  isPreconditionFailed,
  notModifiedHeaders,
  validationFields,
  withoutConditions,
} from "./conditional.ts";
export { currentAgeMs } from "./freshness.ts";
export { evaluateRange } from "./range.ts";
export { preference, variantOf } from "./variant.ts";

// Cache keys, and the request as far as its key knows it.
export { isKeyed, keyedHead } from "./poisoning.ts";
export {
  hasCache,
  keyOf,
  isSameUrl,
  keysOfUri,
  originsOf,
  resourceOfUrl,
  shownHost,
  type EntryPoint,
} from "./resource.ts";

// Invalidation and purge (RFC 9111 4.4).
export { invalidates } from "./invalidation.ts";
export { maxSegments, maxTags, selectorOf, selectorTags, type PurgeTarget } from "./selectors.ts";

// The Cache-Status field (RFC 9211).
export { bypassCause, formatCacheStatus, type CacheResult, type CacheStatus } from "./cache-status.ts";

// Room in a store that several nodes fill.
export { allowedBytes, bodyWeight, excessBytes, roomOf } from "./room.ts";

// Policy defaults and limits.
export { defaultCachePolicy } from "./policy.ts";
export { maxRetainMs } from "./retention.ts";

// The port to the shared store.
export {
  CacheUnavailable,
  maxFetchMs,
  outdatedVariant,
  pieceBytes,
  type BodyWriter,
  type CacheStore,
  type CommitOptions,
  type Committed,
  type FetchStart,
  type FetchLease,
  type FlightNotice,
  type FlightWatch,
  type KeyView,
  type Lookup,
  type SelectVariant,
  type TopKey,
} from "./store.ts";
export type { StoredMetadata } from "./stored-metadata.ts";
