export { MemoryCacheStore } from "./memory-cache-store.ts";
export { createMemoryMirror, type MemoryMirror } from "./memory-mirror.ts";
export { createMemoryStore, type MemoryStore } from "./memory-process-store.ts";
