export { createHealthRounds } from "./health-rounds.ts";
export { startStoreChecks } from "./store-checks.ts";
export { exportTraffic } from "./traffic-gauges.ts";
