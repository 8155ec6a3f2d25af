export * from "./config/config.ts";
export { loadConfig, configHash, type LoadResult } from "./config/load.ts";
export { options, type Option, type FlagValue, type Sources } from "./config/sources.ts";
export { needsRestart } from "./config/reload.ts";
export { readSources, type ReadResult } from "./config/read-sources.ts";
export { configText, redactedConfig } from "./config/redacted.ts";
export { redisTarget } from "./config/redis-target.ts";
export { longestLeaseMs, storeSettings } from "./config/store-settings.ts";
export { configReference, configTable, describeConfig, type ConfigRow } from "./config/describe.ts";
export { isLoopback } from "./config/relations.ts";
export { createLogger, type Logger, type LoggerOptions, type LogFields } from "./logger.ts";
export { createRedactor, isSecretName, redact, type Redact } from "./redact.ts";
export {
  createMetrics,
  knownMethod,
  statusClass,
  unknownName,
  type Metrics,
  type MetricsOptions,
} from "./metrics.ts";
export { observeAttempts } from "./upstream-metrics.ts";
export { observeRedis } from "./redis-metrics.ts";
export { observeTransitions } from "./process-metrics.ts";
export type { CounterHandle, GaugeHandle, HistogramHandle } from "./metric-kinds.ts";
export { after, every, monotonic, sleep, type Loop, type LoopOptions } from "./loop.ts";
export { createLifecycle, phases, type Lifecycle, type LifecycleOptions, type Phase } from "./lifecycle.ts";
export {
  createOpsServer,
  readiness,
  type CheckResult,
  type OpsServer,
  type Readiness,
} from "./ops-server.ts";
export type { ServiceParts } from "./service-parts.ts";
