export {
  parseCompletion,
  parseFailure,
  parseHeartbeat,
  parseJsonRequest,
  problemMediaType,
  resultMediaType,
} from "./callback.ts";
export {
  asEpochMs,
  asFence,
  asMonotonicMs,
  asScope,
  type Clock,
  type EpochMs,
  type Fence,
  type MonotonicMs,
  type ProcessId,
  type Scope,
} from "./brands.ts";
export { CodedError } from "./coded-error.ts";
export {
  fields,
  formatIdempotencyKey,
  lowerFields,
  readDeadline,
  readForce,
  readIdempotencyKey,
  readKeyAt,
  readOnDuplicate,
  type OnDuplicateOption,
  type Source,
} from "./headers.ts";
export {
  dualWriteField,
  formatMirrorMarker,
  maxMirrorHops,
  mirrorMarkerField,
  readMirrorMarker,
} from "./mirror-marker.ts";
export { rateLimitFields } from "./rate-limit.ts";
export { formatPreferenceApplied, readPrefer, type Preferences } from "./prefer.ts";
export { usualEnvelope, type ErrorEnvelope } from "./error-envelope.ts";
export { problemTypes, type Executed } from "./problem-types.ts";
export {
  Problem,
  isProblemSlug,
  problemBody,
  type ProblemBody,
  problemTypePath,
  type ProblemOptions,
  type ProblemSlug,
} from "./problems.ts";
export {
  executionApiPath,
  executionUrl,
  formatProcessId,
  parseProcessId,
  processApiPath,
  processLinks,
  processStatuses,
  type ProcessPhase,
  type ProcessStatus,
  type ProcessView,
  type Progress,
} from "./process-view.ts";
export {
  formatLinks,
  formatProxyStatus,
  formatRetryAfter,
  formatVersionTag,
  isProxyErrorType,
  matchesVersionTag,
  parseRetryAfter,
  proxyErrorTypes,
  type ProxyErrorType,
} from "./response-fields.ts";
export {
  equalSecrets,
  executionToken,
  readSigningKey,
  signWebhook,
  verifyExecutionToken,
  verifyWebhook,
  type SigningKey,
} from "./signature.ts";
