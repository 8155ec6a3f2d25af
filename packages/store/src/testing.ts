/** Parts of the store that tests of it put together themselves; services open it by the main door. */
export { createCacheKeys } from "./cache/keys.ts";
export { createRedisCacheStore, type RedisCacheOptions } from "./cache/store.ts";
export { createDurabilityGate } from "./cluster/durability.ts";
export { createIncarnation } from "./cluster/incarnation.ts";
export { LocksUnavailable } from "./cluster/lock-nodes.ts";
export { createLocks } from "./cluster/locks.ts";
export { openMeta, verifyMeta } from "./cluster/meta.ts";
export { createSharedRates } from "./cluster/shared-rates.ts";
export { createQuorumLocks } from "./cluster/quorum.ts";
export { createKeys, type Keys } from "./keys.ts";
export { mirrorScripts } from "./mirror/scripts.ts";
export { createChanges } from "./process/changes.ts";
export { createHolders } from "./process/holders.ts";
export { createStoredBudget, type StoredLimits } from "./process/stored-budget.ts";
export { createProcessStore, type RedisProcessStore } from "./process/process-store.ts";
export { unsealed } from "./sealing/sealing.ts";
export { connectRedis, destroyConnection, placeOf, type RedisConnections } from "./redis/redis.ts";
