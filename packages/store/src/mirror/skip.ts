/** Drops a parked key's first entry: the word is kept beside the key, and the partition's owner acts on it. */
import type { Outbox } from "@sticky-proxy/core/mirror";
import { defineScript, newCall, replyText, runScript } from "../redis/scripts.ts";
import { asStore, type MirrorIo } from "./io.ts";

export const skipScript = defineScript({
  name: "mirror-skip",
  file: new URL("./skip.lua", import.meta.url),
  keys: ["state", "parked", "list"],
  args: ["orderKey", "call", "by", "why"],
});

/** @throws StoreUnavailable */
export function createSkip({ writes, keys }: MirrorIo): Outbox["skip"] {
  return async function skip(partition, orderKey, { by, why }) {
    const [word] = await asStore(
      runScript(writes, skipScript, {
        keys: {
          state: keys.keyState(partition, orderKey),
          parked: keys.parked(partition),
          list: keys.parkedList(partition, orderKey),
        },
        args: { orderKey, call: newCall(), by, why },
      }),
    );
    return replyText(word) as "skipped" | "not-parked";
  };
}
