/**
 * Keeps the cache within its budget. Trimming follows commits instead of a timer of its own: a cache that stores nothing
 * does not grow.
 */
import { forgetEntry } from "./forget.ts";
import type { CacheIo } from "./io.ts";

export interface Trimmer {
  /** `bytes`: what the partition holds now. Trims after the commit, one partition at a time. */
  afterCommit(partition: number, bytes: number): void;
}

/** Every so many commits one partition's oldest entries are looked at. */
const trimEvery = 32;
const trimBatch = 32;

/** `maxCacheBytes`: over all partitions; null: no budget. */
export function createTrimmer(
  io: CacheIo,
  maxCacheBytes: number | null,
  drop: (key: string) => Promise<void>,
): Trimmer {
  const { writes, keys } = io;
  const budget = maxCacheBytes === null ? null : maxCacheBytes / keys.partitions;
  let commits = 0;
  const wanted = new Set<number>();
  let trimming = false;

  /** Removes expired entries from the counts, and the least recently used ones from the cache while over budget. */
  async function trim(partition: number): Promise<void> {
    const [oldest, total] = await Promise.all([
      writes.zrange(keys.uses(partition), 0, trimBatch - 1),
      writes.hget(keys.sizes(partition), "#"),
    ]);
    let bytes = Number(total ?? 0);
    for (const key of oldest) {
      const [isAlive, size] = await Promise.all([
        writes.hexists(keys.entry(key), "v"),
        writes.hget(keys.sizes(partition), key),
      ]);
      const isOver = budget !== null && bytes > budget;
      if (isAlive === 1 && !isOver) continue;
      if (isAlive === 1) await drop(key);
      else await forgetEntry(io, key);
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

  return {
    afterCommit(partition, bytes) {
      commits++;
      const isOver = budget !== null && bytes > budget;
      if (!isOver && commits % trimEvery !== 0) return;
      wanted.add(partition);
      if (!trimming) void trimWanted();
    },
  };
}
