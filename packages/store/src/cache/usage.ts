/** Hits by key, and the bytes of all stored bodies. */
import { isSameUrl, type CacheStore } from "@sticky-proxy/core/cache";
import { serverTime } from "../redis/redis.ts";
import { allPartitions, type CacheIo } from "./io.ts";

type Usage = Pick<CacheStore, "recordHits" | "top" | "totalBytes" | "keysOfUrl">;

/** Keys whose URLs are asked for at once. */
const urlBatch = 500;

/** @throws the client's error; from `recordHits` CacheUnavailable */
export function createUsage({ writes, keys, guard }: CacheIo): Usage {
  async function countHits(hits: ReadonlyMap<string, number>): Promise<void> {
    const now = await serverTime(writes);
    const counted = [...hits].flatMap(([key, count]) => {
      const partition = keys.partitionOf(key);
      return [
        // Only stored keys are counted: a key that was dropped meanwhile must not be created again.
        writes.zadd(keys.hits(partition), "XX", "INCR", count, key),
        writes.zadd(keys.uses(partition), "XX", now, key),
      ];
    });
    await Promise.all(counted);
  }
  return {
    recordHits: (hits) => guard.run(() => countHits(hits)),

    async top(count) {
      const all = await Promise.all(
        allPartitions(keys).map((p) => writes.zrevrange(keys.hits(p), 0, count - 1, "WITHSCORES")),
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
            writes.hget(keys.entry(key), "u"),
            writes.hget(keys.sizes(keys.partitionOf(key)), key),
          ]);
          return { key, hits, url: url ?? "", bytes: Number(bytes ?? 0) };
        }),
      );
    },

    async keysOfUrl(url) {
      const found: string[] = [];
      for (const partition of allPartitions(keys)) {
        const all = await writes.zrange(keys.uses(partition), 0, -1);
        for (let at = 0; at < all.length; at += urlBatch) {
          const batch = all.slice(at, at + urlBatch);
          const urls = await Promise.all(batch.map((key) => writes.hget(keys.entry(key), "u")));
          for (const [i, stored] of urls.entries())
            if (stored !== null && isSameUrl(stored, url)) found.push(batch[i]!);
        }
      }
      return found;
    },

    async totalBytes() {
      const sizes = await Promise.all(allPartitions(keys).map((p) => writes.hget(keys.sizes(p), "#")));
      return sizes.reduce((sum, size) => sum + Number(size ?? 0), 0);
    },
  };
}
