/** Opens the cache's store: in a Redis of its own where there is one, else beside the processes in the state Redis. */
import type { CacheStore } from "@sticky-proxy/core/cache";
import { cacheScripts } from "./scripts.ts";
import { createRedisCacheStore } from "./store.ts";
import { connectRedis, type ConnectionName, type RedisConnections } from "../redis/redis.ts";
import { loadScripts, observeScripts, type ScriptObserver } from "../redis/scripts.ts";

export interface OpenCacheOptions {
  /** The state Redis, already open. */
  readonly state: RedisConnections;
  /** URL of a Redis of the cache's own; null: the state Redis. */
  readonly url: string | null;
  readonly keyPrefix: string;
  readonly partitions: number;
  /** Bytes of bodies kept in this process. */
  readonly memoryBytes: number;
  /** Budget in the state Redis; a Redis of the cache's own evicts by its own policy. */
  readonly maxBytes: number;
  readonly onError: (name: ConnectionName, error: Error) => void;
  /** Told of every script's run in a Redis of the cache's own. */
  readonly onScript?: ScriptObserver;
  /** Connection timeout of the cache's own Redis; without it the cache fails open. */
  readonly waitMs: number;
}

export interface OpenCache {
  readonly store: CacheStore;
  /** The state Redis stays open. */
  close(): Promise<void>;
}

/** Of a Redis that holds nothing else and does not evict by itself. */
const ownMemoryShare = 0.8;

export async function openCache(options: OpenCacheOptions): Promise<OpenCache> {
  const { state, url, keyPrefix, partitions, memoryBytes, maxBytes } = options;
  const own = url === null ? null : connectRedis({ url }, { onError: options.onError });
  if (own !== null && options.onScript !== undefined) {
    observeScripts(own.writes, options.onScript);
    observeScripts(own.reads, options.onScript);
  }
  if (own !== null) await own.ready(options.waitMs);
  const connections = own ?? state;
  const store = createRedisCacheStore(connections, {
    keyPrefix,
    partitions,
    nearBodyBytes: memoryBytes,
    maxCacheBytes: own === null ? maxBytes : null,
    ...(own === null ? {} : { memoryShare: ownMemoryShare }),
  });
  // Scripts are loaded on demand; loading them ahead saves the first requests the round trip.
  await Promise.allSettled([
    loadScripts(connections.reads, cacheScripts),
    loadScripts(connections.writes, cacheScripts),
  ]);
  return { store, close: async () => own?.close() };
}
