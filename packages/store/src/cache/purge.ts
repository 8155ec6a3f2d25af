/** Purges by selector: outdates every response with the selector, in every partition. */
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
    // Without the guard: a purge must be confirmed, however slowly.
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
