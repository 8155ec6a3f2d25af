// The world of a unit test.
export { createManualClock } from "./manual-clock.ts";
export { createTestWorld, testRequest, testRoute, testService, type TestWorld } from "./test-world.ts";
// The ports in memory.
export { MemoryCacheStore } from "./memory-cache-store.ts";
export { createMemoryIdMap } from "./memory-ids.ts";
export { createMemoryMirror, type MemoryMirror } from "./memory-mirror.ts";
export { createMemoryStore, type MemoryStore } from "./memory-process-store.ts";
export { createMemoryPins } from "./memory-pins.ts";
