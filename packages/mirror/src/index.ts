export { createMirrorAlerts, type MirrorAlerts } from "./alerts.ts";
export { createComparer, type Comparer } from "./comparer.ts";
export { exportLag, observeLatencies, observeMirror } from "./observe-mirror.ts";
export { createPartitionDrain, type PartitionDrain, type PartitionDrainDeps } from "./partition-drain.ts";
export { createSecondary, markLines, markerKeys, type MarkerKeys, type Secondary } from "./secondary.ts";
export type { ShadowJob } from "./shadow-job.ts";
export { createShadowQueue, type ShadowQueue } from "./shadow-queue.ts";
export { isAnyMirrored, mirrorRoutes, pinnedMirrorRoutes } from "./mirrored-routes.ts";
