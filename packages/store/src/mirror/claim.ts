/** Makes the caller the owner of a partition: its fence outdates every owner before it. */
import type { Outbox } from "@sticky-proxy/core/mirror";
import { defineScript, newCall, replyNumber, runScript } from "../redis/scripts.ts";
import { asStore, type MirrorIo } from "./io.ts";

export const claimScript = defineScript({
  name: "mirror-claim",
  file: new URL("./claim.lua", import.meta.url),
  keys: ["owner"],
  args: ["partition", "call"],
});

/** @throws StoreUnavailable */
export function createClaim({ writes, keys }: MirrorIo): Outbox["claim"] {
  return async function claim(partition) {
    const [fence] = await asStore(
      runScript(writes, claimScript, {
        keys: { owner: keys.owner(partition) },
        args: { partition, call: newCall() },
      }),
    );
    return replyNumber(fence);
  };
}
