/** Makes a parked key's next try due at once. */
import type { Outbox } from "@sticky-proxy/core/mirror";
import { defineScript, newCall, replyText, runScript } from "../redis/scripts.ts";
import { asStore, type MirrorIo } from "./io.ts";

export const unparkScript = defineScript({
  name: "mirror-unpark",
  file: new URL("./unpark.lua", import.meta.url),
  keys: ["state", "parked"],
  args: ["orderKey", "call"],
});

/** @throws StoreUnavailable */
export function createUnpark({ writes, keys }: MirrorIo): Outbox["unpark"] {
  return async function unpark(partition, orderKey) {
    const [word] = await asStore(
      runScript(writes, unparkScript, {
        keys: { state: keys.keyState(partition, orderKey), parked: keys.parked(partition) },
        args: { orderKey, call: newCall() },
      }),
    );
    return replyText(word) as "unparked" | "not-parked";
  };
}
