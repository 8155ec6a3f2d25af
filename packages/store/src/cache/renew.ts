/** Renews a fetch lease that is still the caller's. */
import type { CacheStore } from "@sticky-proxy/core/cache";
import { defineScript, runScript } from "../redis/scripts.ts";
import type { CacheIo } from "./io.ts";

export const renewScript = defineScript({
  name: "cache-renew",
  file: new URL("./renew.lua", import.meta.url),
  keys: ["lease"],
  args: ["key", "token", "leaseMs"],
});

/** @throws CacheUnavailable */
export function createRenew({ writes, keys, guard }: CacheIo): CacheStore["renew"] {
  return async function renew({ key, flight, token }, leaseMs) {
    if (token === null) return;
    await guard.run(() =>
      runScript(writes, renewScript, {
        keys: { lease: keys.lease(key, flight) },
        args: { key, token, leaseMs },
      }),
    );
  };
}
