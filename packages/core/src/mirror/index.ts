// Which requests are copied, in which order, how fast and how often.
export { isSampled } from "./sample.ts";
export { decideIntent, overlaps, type Intent } from "./intent.ts";
export { orderKeyPartition, orderKeys, type OrderSecret } from "./order-key.ts";
export { isCredential, requestToCopy, secondaryHeaders } from "./secondary-request.ts";
export { answersCondition, conditionFailed, isRefusedWrite } from "./conditions.ts";
export {
  learntPair,
  mappedBody,
  mappedPath,
  neededIds,
  type IdMap,
  type IdPair,
  type IdPlace,
} from "./id-map.ts";
export { isEndless } from "./endless.ts";
export { createPacer, type Pacer } from "./pacing.ts";
export { roomFor, type StoreMemory } from "./room.ts";
export { asksForRetry, decideRetry, type SendFailure } from "./retry.ts";
// Comparing two answers within bounds.
export { compareAnswers, sha256, type Comparison } from "./compare.ts";
export { walkBounds } from "./compare-json.ts";
export { compileMasks } from "./mask-trie.ts";
export { redactor } from "./redact.ts";
// Differences, coverage and the outbox, with their ports.
export {
  bounded,
  differenceClasses,
  groupPaths,
  type Acknowledgement,
  type Difference,
  type DifferenceClass,
  type DifferenceSide,
  type NewDifference,
} from "./difference.ts";
export {
  answersQuery,
  type CoverageRow,
  type DifferenceGroup,
  type DifferenceQuery,
  type Differences,
  type Observation,
} from "./differences.ts";
export {
  coverageOf,
  coverageWindow,
  pending,
  settled,
  type Coverage,
  type CoverageOutcome,
} from "./coverage.ts";
export type {
  Gap,
  KeyState,
  Lag,
  Outbox,
  OutboxEntry,
  ParkReason,
  ParkedKey,
  Parking,
  Settlement,
} from "./outbox.ts";
// Telling people.
export {
  alertsOf,
  decideAlerts,
  noSums,
  sumsBetween,
  windowSums,
  type Alert,
  type AlertEvent,
  type AlertPolicy,
  type KnownAlert,
  type WindowSums,
} from "./alerts.ts";
// Tamper evidence.
export {
  chainDigest,
  chainLength,
  checkChain,
  type ChainLink,
  type ChainReport,
  type MirrorChain,
} from "./chain.ts";
// Moving a service's clients from one backend to the other.
export {
  isWrite,
  migrationPhases,
  servicesUnder,
  stateOr,
  viewMs,
  type Authority,
  type Barrier,
  type MigrationPhase,
  type MigrationReading,
  type Migrations,
  type MigrationState,
  type NodeView,
} from "./migration.ts";
export { areDrained, gatesOf, type Gate } from "./migration-gates.ts";
// How an operator sees them.
export { coverageView, differenceView, gapView, parkedKeyName, parkedView, parseParkedKey } from "./view.ts";
