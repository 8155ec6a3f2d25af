/** Dependencies of every operation of the cache's store. */
import { maxRetainMs } from "@sticky-proxy/core/cache";
import type { Connection } from "../redis/redis.ts";
import type { CacheGuard } from "./guard.ts";
import type { CacheKeys } from "./keys.ts";

export interface CacheIo {
  readonly reads: Connection;
  readonly writes: Connection;
  readonly keys: CacheKeys;
  readonly guard: CacheGuard;
}

/** Generations live longer than every response that they may reject (C2). */
export const keepMs = 2 * maxRetainMs;

export function allPartitions({ partitions }: CacheKeys): number[] {
  return Array.from({ length: partitions }, (_, p) => p);
}
