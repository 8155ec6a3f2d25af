export {
  createCacheAdministration,
  type CacheAdministration,
  type PurgeRequest,
  type UrlView,
} from "./cache/administration.ts";
export { invalidatingStore } from "./cache/invalidating-store.ts";
export { createInvalidation, tellsOfChange, type CacheInvalidation } from "./cache/invalidator.ts";
export { BodyGone, readBody } from "./cache/read-body.ts";
export { createWorker, type Worker } from "./engine.ts";
export type { Executor, QuorumGuard } from "./execution/execute.ts";
export type { Execution, Run } from "./execution/execution.ts";
export { createPacing, type Pacing, type ServicePacing } from "./execution/pacing.ts";
export { createMirrorIntents, type MirrorIntents } from "./mirror/intents.ts";
export {
  anyDeadLetter,
  discard,
  listDeadLetters,
  planRedrive,
  redrive,
  showDeadLetter,
  startRedrive,
  type DeadLetterFilter,
  type Redriven,
} from "./process/dead-letters.ts";
export { CursorInvalid, listProcesses, statusesInOrder } from "./process/listing.ts";
export { createProcesses, type Begun, type Processes } from "./process/processes.ts";
export { waitFor, type WaitDeps } from "./process/waiting.ts";
export { createWatchdog } from "./process/watchdog.ts";
export { createCancelHook } from "./reports/cancel-hook.ts";
export { createDeliverer, type Deliverer, type Delivery } from "./reports/deliver-webhook.ts";
export { createPoller, type PollAnswer, type Poller } from "./reports/poll.ts";
export { readableFor, readReport } from "./reports/read-report.ts";
