/** Releases a fetch lease that is still the caller's, and notifies the nodes that wait for the fetch. */
import type { CacheStore } from "@sticky-proxy/core/cache";
import { defineScript, runScript } from "../redis/scripts.ts";
import type { CacheIo } from "./io.ts";

export const finishScript = defineScript({
  name: "cache-finish",
  file: new URL("./finish.lua", import.meta.url),
  keys: ["lease", "notices"],
  args: ["key", "token", "message"],
});

/** @throws CacheUnavailable */
export function createFinish({ writes, keys, guard }: CacheIo): CacheStore["finish"] {
  return async function finish({ key, flight, token }, notice) {
    if (token === null) return;
    await guard.run(() =>
      runScript(writes, finishScript, {
        keys: { lease: keys.lease(key, flight), notices: keys.notices(keys.partitionOf(key)) },
        args: { key, token, message: `${key}:${flight} ${notice}` },
      }),
    );
  };
}
