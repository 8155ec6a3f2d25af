export * from "./outcome.ts";
export * from "./forward.ts";
export * from "./collect-body.ts";
export { allUnknown } from "./traffic.ts";
export type { HealthView } from "./traffic.ts";
export * from "./execute.ts";
export * from "./worker.ts";
export * from "./guard.ts";
