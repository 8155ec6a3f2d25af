/** Purges by selector: in every partition, everything that carries it becomes older than now. */
import type { CacheStore } from "@sticky-proxy/core/cache";
import { defineScript, newCall, runScript } from "../redis/scripts.ts";
import { allPartitions, type CacheIo, keepMs } from "./io.ts";

export const purgeScript = defineScript({
  name: "cache-purge",
  file: new URL("./purge.lua", import.meta.url),
  keys: ["generations"],
  args: ["call", "field", "maxSelectors", "keepMs"],
});

const maxSelectors = 20_000;

/** Never rejects: the report names the partitions that did not confirm. */
export function createPurge({ writes, keys }: CacheIo): CacheStore["purge"] {
  return async function purge(selector, soft) {
    const field = `${soft ? "s" : "h"}:${selector}`;
    const partitions = allPartitions(keys);
    // Not guarded: a purge has to be confirmed, and a slow confirmation is better than none.
    const results = await Promise.allSettled(
      partitions.map((partition) =>
        runScript(writes, purgeScript, {
          keys: { generations: keys.generations(partition) },
          args: { call: newCall(), field, maxSelectors, keepMs },
        }),
      ),
    );
    const missing = partitions.filter((partition) => results[partition]?.status === "rejected");
    return { partitions: partitions.length, missing };
  };
}
