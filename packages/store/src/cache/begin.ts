/** Starts a fetch: takes a lease where requested, and reads the generation that its commit is checked against (C2). */
import type { CacheStore } from "@sticky-proxy/core/cache";
import { defineScript, newCall, replyNumber, replyText, runScript } from "../redis/scripts.ts";
import { type CacheIo, keepMs } from "./io.ts";

export const beginScript = defineScript({
  name: "cache-begin",
  file: new URL("./begin.lua", import.meta.url),
  keys: ["lease", "generations", "entry"],
  args: ["key", "token", "leaseMs", "keepMs"],
});

/** @throws CacheUnavailable */
export function createBegin({ writes, keys, guard }: CacheIo): CacheStore["begin"] {
  return async function begin({ key, flight, token }, leaseMs) {
    const reply = await guard.run(() =>
      runScript(writes, beginScript, {
        keys: {
          lease: keys.lease(key, flight),
          generations: keys.generations(keys.partitionOf(key)),
          entry: keys.entry(key),
        },
        args: { key, token: token ?? newCall(), leaseMs: token === null ? 0 : (leaseMs ?? 0), keepMs },
      }),
    );
    return {
      granted: replyText(reply[0]) === "granted",
      now: replyNumber(reply[1]),
      generation: replyNumber(reply[2]),
      revision: replyNumber(reply[3]),
    };
  };
}
