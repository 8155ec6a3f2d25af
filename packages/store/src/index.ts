export * from "./keys.ts";
export * from "./meta.ts";
export * from "./redis.ts";
export * from "./scripts.ts";
export * from "./cache-keys.ts";
export * from "./cache-store.ts";
export { createDifferences } from "./differences.ts";
export { createMirrorOutbox, type MirrorStoreDeps } from "./mirror-outbox.ts";
export { mirrorScripts } from "./mirror-scripts.ts";
