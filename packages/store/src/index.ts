export { openCache, type OpenCache } from "./cache/open.ts";
export type { Locks } from "./cluster/locks.ts";
export { MetaMismatch } from "./cluster/meta.ts";
export { profileCheck, type Health } from "./cluster/profile-check.ts";
export { createRegistry, type HealthReport, type Registry, type Replica } from "./cluster/registry.ts";
export { openNodeLocks, type NodeLocks } from "./cluster/quorum.ts";
export { createDifferences } from "./mirror/differences.ts";
export { createMirrorOutbox } from "./mirror/outbox.ts";
export { StoreUnreachable, openStore, type OpenStore } from "./open.ts";
