/** Removes an expired entry from the counts. */
import { defineScript, newCall, runScript } from "../redis/scripts.ts";
import type { CacheIo } from "./io.ts";

export const forgetScript = defineScript({
  name: "cache-forget",
  file: new URL("./forget.lua", import.meta.url),
  keys: ["entry", "uses", "sizes", "hits"],
  args: ["key", "call"],
});

/** @throws the client's error */
export async function forgetEntry({ writes, keys }: CacheIo, key: string): Promise<void> {
  const partition = keys.partitionOf(key);
  await runScript(writes, forgetScript, {
    keys: {
      entry: keys.entry(key),
      uses: keys.uses(partition),
      sizes: keys.sizes(partition),
      hits: keys.hits(partition),
    },
    args: { key, call: newCall() },
  });
}
