export * from "./redis.ts";
export * from "./cache-store-contract.ts";
export * from "./outbox-contract.ts";
export * from "./fake-upstream.ts";
export * from "./raw-client.ts";
export * from "./manual-clock.ts";
export * from "./process-store-contract.ts";
export * from "./differences-contract.ts";
