export { createHealthRounds, type HealthRounds } from "./health-rounds.ts";
export { heartbeatMs, openHeartbeat, type Heartbeat } from "./heartbeat.ts";
export { barrierDetail, staleDetail, type NodeMigrations } from "./migrations.ts";
export { nodeTasks, type NodeTaskParts } from "./node-tasks.ts";
export { openEngine } from "./open-engine.ts";
export { openMirror } from "./open-mirror.ts";
export { openNode, type OpenNode } from "./open-node.ts";
export { openStoreChecks, type StoreChecks } from "./store-checks.ts";
export { exportTraffic } from "./traffic-gauges.ts";
