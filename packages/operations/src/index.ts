// Processes.
export { findByKey, placesOfKey, type KeyQuery } from "./processes/find-by-key.ts";
export { findProcesses, isFoundByList, type ProcessFilter } from "./processes/find.ts";
export { processHistory } from "./processes/history.ts";
export { listProcesses, statusesInOrder } from "./processes/list.ts";
export { cancelProcess } from "./processes/cancel.ts";
export { parseProcessRef } from "./processes/ref.ts";
export { rerunProcess } from "./processes/rerun.ts";
export { operatorView, showProcess, shownProcessView, type ShownProcess } from "./processes/show.ts";
export { waitForProcess } from "./processes/wait.ts";
export { listServices } from "./services.ts";
export { storeNow } from "./store-clock.ts";
// Dead letters.
export { anyDeadLetter, listDeadLetters, type DeadLetterFilter } from "./dead-letters/list.ts";
export { discardDeadLetter } from "./dead-letters/discard.ts";
export { groupDeadLetters } from "./dead-letters/groups.ts";
export { planRedrive, startRedrive } from "./dead-letters/redrive-all.ts";
export { redriveDeadLetter, type Redriven } from "./dead-letters/redrive.ts";
export { showDeadLetter } from "./dead-letters/show.ts";
// The cache.
export type { CachePorts } from "./cache/ports.ts";
export { purgeCache, type PurgeRequest } from "./cache/purge.ts";
export { showUrl, type UrlView } from "./cache/show-url.ts";
export { topKeys } from "./cache/top-keys.ts";
export { warmCache, type Visit } from "./cache/warm.ts";
// The mirror.
export { mirrorCoverage } from "./mirror/coverage.ts";
export {
  acknowledgeDifference,
  exportDifferences,
  groupDifferences,
  listDifferences,
  showDifference,
  type DifferenceFilter,
} from "./mirror/differences.ts";
export { exportIds, importIds, readIdPair } from "./mirror/ids.ts";
export { listGaps, listParkedKeys, skipParked, unparkKey } from "./mirror/outbox.ts";
export {
  listMigrations,
  migrationView,
  setPhase,
  showMigration,
  switchAuthority,
  type MigrationFacts,
  type MigrationPorts,
  type SwitchResult,
} from "./mirror/migration.ts";
export { verifyMirror, type Verified } from "./mirror/verify.ts";
export type { MirrorPorts } from "./mirror/ports.ts";
// Operators' tokens.
export { checkToken, createToken, listTokens, revokeToken, type TokenPorts } from "./tokens/tokens.ts";
export { freeHolder } from "./holders/free.ts";
// The audit.
export { audited, AuditUnavailable, listAudit } from "./audit/audited.ts";
// API keys of clients.
export { createApiKey, listApiKeys, revokeApiKey } from "./keys/keys.ts";
export type { KeyPorts } from "./keys/ports.ts";
// Bulk jobs.
export { planBulk, runBulk } from "./bulk/bulk.ts";
export type { BulkPorts } from "./bulk/bulk-targets.ts";
