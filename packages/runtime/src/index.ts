export { publicBase, type Config, type Limits } from "./config/config.ts";
export { configReference, configTable, describeConfig } from "./config/describe.ts";
export { configHash, loadConfig, type LoadResult } from "./config/load.ts";
export { readSources } from "./config/read-sources.ts";
export { configText, redactedConfig } from "./config/redacted.ts";
export { redisTarget } from "./config/redis-target.ts";
export { needsRestart } from "./config/reload.ts";
export { options, type FlagValue, type Sources } from "./config/sources.ts";
export { maxLeaseMs, storeSettings } from "./config/store-settings.ts";
export {
  createDescriptorWatch,
  descriptorLimit,
  fittingConnections,
  openDescriptors,
  type DescriptorWatch,
} from "./descriptors.ts";
export { createLifecycle, type Lifecycle } from "./lifecycle.ts";
export { createLogger, type Logger } from "./logger.ts";
export { after, monotonic, sleep, systemClock } from "./loop.ts";
export {
  createMetrics,
  knownMethod,
  noRoute,
  ownService,
  statusClass,
  unknownName,
  type Metrics,
} from "./metrics.ts";
export { createOpsServer, type OpsServer } from "./ops-server.ts";
export { observeTransitions } from "./process-metrics.ts";
export { createRedactor, redact } from "./redact.ts";
export { observeRedis } from "./redis-metrics.ts";
export { createSeriesRecorder, type SeriesRecorder } from "./series/recorder.ts";
export type { ServiceParts } from "./service-parts.ts";
export { startTasks, type Task } from "./tasks.ts";
export { observeAttempts } from "./upstream-metrics.ts";
export { version } from "./version.ts";
export { configJsonSchema } from "./config/json-schema.ts";
