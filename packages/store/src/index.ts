export * from "./keys.ts";
export * from "./meta.ts";
export * from "./redis.ts";
export * from "./scripts.ts";
export * from "./cache-keys.ts";
export * from "./cache-store.ts";
