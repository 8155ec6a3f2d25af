export { bypassCause, formatCacheStatus, type CacheResult, type CacheStatus } from "./cache-status.ts";
export {
  isNotModified,
  isPreconditionFailed,
  notModifiedHeaders,
  validationFields,
  withoutConditions,
} from "./conditional.ts";
export { currentAgeMs } from "./freshness.ts";
export { invalidates, isUnsafe } from "./invalidation.ts";
export { withoutUnkeyed } from "./poisoning.ts";
export { defaultCachePolicy } from "./policy.ts";
export { evaluateRange } from "./range.ts";
export {
  hasCache,
  keyOf,
  keysOfUri,
  originsOf,
  resourceOfUrl,
  shownHost,
  type EntryPoint,
} from "./resource.ts";
export {
  answerFrom,
  decide,
  isErrorStatus,
  remainingMs,
  type CacheAnswer,
  type CacheDecision,
  type Fallback,
} from "./reuse.ts";
export { selectorOf, selectorTags, type PurgeTarget } from "./selectors.ts";
export { judge, maxRetainMs, type Judgement, type NotStorable } from "./storable.ts";
export {
  CacheUnavailable,
  maxFetchMs,
  outdatedVariant,
  pieceBytes,
  type BodyWriter,
  type CacheStore,
  type CommitOptions,
  type Committed,
  type FetchBegun,
  type FetchLease,
  type FlightNotice,
  type FlightWatch,
  type KeyView,
  type Lookup,
  type PurgeReport,
  type SelectVariant,
  type TopKey,
} from "./store.ts";
export type { StoredMetadata } from "./stored-metadata.ts";
export { freshen, headEffect } from "./validation.ts";
export { preference, variantOf } from "./variant.ts";
