/**
 * What keeps the cache within its bounds: counts by key and partition, a budget, and a stop before Redis is full.
 * It rides on commits instead of a timer of its own: a cache that stores nothing grows nothing.
 */
import type { TopKey } from "@sticky-proxy/core/cache";
import type { CacheKeys } from "./keys.ts";
import { cacheScripts } from "./scripts.ts";
import type { Connection } from "../redis/redis.ts";
import { newCall, runScript } from "../redis/scripts.ts";

export interface HousekeepingDeps {
  readonly connection: Connection;
  readonly keys: CacheKeys;
  readonly monotonic: () => number;
  readonly maxCacheBytes: number | null;
  readonly drop: (key: string) => Promise<void>;
}

export interface CacheHousekeeping {
  /** true: the server has used 80 % of the memory it may use, so nothing more is stored. */
  isFull(): Promise<boolean>;
  /**
   * Takes bytes from what is left of those 80 %; false: they have no place. By the last figure, because a commit is
   * sent right behind the bytes it counts and nothing may come between; an old figure is renewed meanwhile.
   */
  reserve(bytes: number): boolean;
  /** `bytes`: what the partition holds now. Trims behind the commit, one partition at a time. */
  afterCommit(partition: number, bytes: number): void;
  recordHits(hits: ReadonlyMap<string, number>): Promise<void>;
  top(count: number): Promise<readonly TopKey[]>;
  totalBytes(): Promise<number>;
}

const memoryCheckMs = 1000;
const fullShare = 0.8;
/** Every so many commits one partition's oldest entries are looked at. */
const trimEvery = 32;
const trimBatch = 32;

export function createCacheHousekeeping(deps: HousekeepingDeps): CacheHousekeeping {
  const { connection, keys, monotonic, maxCacheBytes, drop } = deps;
  const budget = maxCacheBytes === null ? null : maxCacheBytes / keys.partitions;
  let checkedAt = -Infinity;
  let checking: Promise<void> = Promise.resolve();
  /** Bytes left for the cache when they were last counted; what this node has written since comes off. */
  let room = Infinity;
  let commits = 0;
  const wanted = new Set<number>();
  let trimming = false;

  async function checkMemory(): Promise<void> {
    const info = await connection.info("memory").catch(() => "");
    const figure = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
    const most = figure("maxmemory");
    // With an eviction policy of its own the server makes room by itself.
    const isBounded = most > 0 && /^maxmemory_policy:noeviction/m.test(info);
    room = isBounded ? fullShare * most - figure("used_memory") : Infinity;
  }

  /** Never rejects. */
  function checkIfOld(): Promise<void> {
    if (monotonic() - checkedAt > memoryCheckMs) {
      checkedAt = monotonic();
      checking = checkMemory();
    }
    return checking;
  }

  /** Takes ended entries out of the counts, and the least recently used ones out of the cache while over budget. */
  async function trim(partition: number): Promise<void> {
    const [oldest, total] = await Promise.all([
      connection.zrange(keys.uses(partition), 0, trimBatch - 1),
      connection.hget(keys.sizes(partition), "#"),
    ]);
    let bytes = Number(total ?? 0);
    for (const key of oldest) {
      const [isAlive, size] = await Promise.all([
        connection.hexists(keys.entry(key), "v"),
        connection.hget(keys.sizes(partition), key),
      ]);
      const isOver = budget !== null && bytes > budget;
      if (isAlive === 1 && !isOver) continue;
      if (isAlive === 1) await drop(key);
      else await forget(partition, key);
      bytes -= Number(size ?? 0);
    }
  }

  async function trimWanted(): Promise<void> {
    trimming = true;
    for (const partition of wanted) {
      wanted.delete(partition);
      await trim(partition).catch(() => {}); // the next commit tries again
    }
    trimming = false;
  }

  async function forget(partition: number, key: string): Promise<void> {
    await runScript(connection, cacheScripts.forget, {
      keys: {
        entry: keys.entry(key),
        uses: keys.uses(partition),
        sizes: keys.sizes(partition),
        hits: keys.hits(partition),
      },
      args: { key, call: newCall() },
    });
  }

  return {
    async isFull() {
      await checkIfOld();
      return room < 0;
    },
    reserve(bytes) {
      void checkIfOld();
      room -= bytes;
      return room >= 0;
    },
    afterCommit(partition, bytes) {
      commits++;
      const isOver = budget !== null && bytes > budget;
      if (!isOver && commits % trimEvery !== 0) return;
      wanted.add(partition);
      if (!trimming) void trimWanted();
    },
    async recordHits(hits) {
      const [seconds = "0", micros = "0"] = (await connection.time()).map(String);
      const now = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
      const counted = [...hits].flatMap(([key, count]) => {
        const partition = keys.partitionOf(key);
        return [
          // Only what is stored is counted: a key that was dropped meanwhile must not come back.
          connection.zadd(keys.hits(partition), "XX", "INCR", count, key),
          connection.zadd(keys.uses(partition), "XX", now, key),
        ];
      });
      await Promise.all(counted);
    },
    async top(count) {
      const all = await Promise.all(
        Array.from({ length: keys.partitions }, (_, p) =>
          connection.zrevrange(keys.hits(p), 0, count - 1, "WITHSCORES"),
        ),
      );
      const scored = all.flatMap((flat) =>
        Array.from({ length: flat.length / 2 }, (_, i) => ({
          key: flat[2 * i] ?? "",
          hits: Number(flat[2 * i + 1]),
        })),
      );
      const best = scored.toSorted((a, b) => b.hits - a.hits).slice(0, count);
      return Promise.all(
        best.map(async ({ key, hits }) => {
          const [url, bytes] = await Promise.all([
            connection.hget(keys.entry(key), "u"),
            connection.hget(keys.sizes(keys.partitionOf(key)), key),
          ]);
          return { key, hits, url: url ?? "", bytes: Number(bytes ?? 0) };
        }),
      );
    },
    async totalBytes() {
      const sizes = await Promise.all(
        Array.from({ length: keys.partitions }, (_, p) => connection.hget(keys.sizes(p), "#")),
      );
      return sizes.reduce((sum, size) => sum + Number(size ?? 0), 0);
    },
  };
}
