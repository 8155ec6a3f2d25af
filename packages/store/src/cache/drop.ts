/** Drops all variants of one key, or makes them stale. */
import { type CacheStore, maxFetchMs } from "@sticky-proxy/core/cache";
import { defineScript, newCall, runScript } from "../redis/scripts.ts";
import { retireBodies } from "./body.ts";
import { readDropped } from "./entry.ts";
import { type CacheIo, keepMs } from "./io.ts";

export const dropScript = defineScript({
  name: "cache-drop",
  file: new URL("./drop.lua", import.meta.url),
  keys: ["entry", "generations", "uses", "sizes", "hits"],
  args: ["key", "call", "mode", "rememberMs", "keepMs"],
});

/** @throws CacheUnavailable */
export function createDrop({ writes, keys, guard }: CacheIo): CacheStore["drop"] {
  return async function drop(key, soft) {
    const partition = keys.partitionOf(key);
    const reply = await guard.run(() =>
      runScript(writes, dropScript, {
        keys: {
          entry: keys.entry(key),
          generations: keys.generations(partition),
          uses: keys.uses(partition),
          sizes: keys.sizes(partition),
          hits: keys.hits(partition),
        },
        args: { key, call: newCall(), mode: soft ? "soft" : "hard", rememberMs: maxFetchMs, keepMs },
      }),
    );
    await retireBodies(writes, keys, key, readDropped(reply.slice(1)));
  };
}
