export * from "./redis.ts";
export * from "./cache-store-contract.ts";
export * from "./outbox-contract.ts";
