export * from "./sweep.ts";
export { startSweeper } from "./main.ts";
export * from "./mirror/comparer.ts";
export { startOutboxDrain, type OutboxDrain, type OutboxDrainDeps } from "./drain-outbox.ts";
export { recordsPerPartition } from "./mirror/mirror-entry.ts";
export { isAnyMirrored, mirrorRoutes } from "./main/mirror.ts";
export { observeLatencies, observeMirror, type Latencies } from "./mirror/observe-mirror.ts";
