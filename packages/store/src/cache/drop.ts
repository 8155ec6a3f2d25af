/** Drops all variants of one key, or makes them stale. */
import { type CacheStore, maxFetchMs } from "@sticky-proxy/core/cache";
import { defineScript, newCall, runScript } from "../redis/scripts.ts";
import { retireBodies } from "./body.ts";
import type { CacheBudget } from "./budget.ts";
import { readDropped } from "./entry.ts";
import { type CacheIo, keepMs } from "./io.ts";

export const dropScript = defineScript({
  name: "cache-drop",
  file: new URL("./drop.lua", import.meta.url),
  keys: ["entry", "generations", "uses", "sizes", "hits"],
  args: ["key", "call", "mode", "rememberMs", "keepMs"],
});

export interface Drops {
  readonly drop: CacheStore["drop"];
  /** Makes room: nothing of the key is stored any more, but nothing of it was wrong either. @throws CacheUnavailable */
  evict(key: string): Promise<void>;
}

/** @throws CacheUnavailable */
export function createDrops(io: CacheIo, retired: CacheBudget["retired"]): Drops {
  const { writes, keys, guard } = io;

  async function run(key: string, mode: "hard" | "soft" | "evict"): Promise<void> {
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
        args: { key, call: newCall(), mode, rememberMs: maxFetchMs, keepMs },
      }),
    );
    await retireBodies(io, key, readDropped(reply.slice(1)), retired, mode === "evict");
  }

  return { drop: (key, soft) => run(key, soft ? "soft" : "hard"), evict: (key) => run(key, "evict") };
}
