export { createHealthRounds } from "./health-rounds.ts";
export { heartbeatMs, openHeartbeat } from "./heartbeat.ts";
export { openStoreChecks } from "./store-checks.ts";
export { exportTraffic } from "./traffic-gauges.ts";
