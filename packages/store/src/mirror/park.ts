/** Parks a key: its entries leave the stream and wait in a list of their own, in order. */
import type { Outbox } from "@sticky-proxy/core/mirror";
import { defineScript, newCall, replyText, runScript } from "../redis/scripts.ts";
import { asStore, fenceText, type MirrorIo } from "./io.ts";

export const parkScript = defineScript({
  name: "mirror-park",
  file: new URL("./park.lua", import.meta.url),
  keys: ["owner", "stream", "list", "state", "parked", "since", "load"],
  args: ["orderKey", "call", "fence", "member", "service", "reason", "inMs", "error", "attempts"],
  moreArgs: "entries",
});

/** @throws StoreUnavailable */
export function createPark({ writes, keys }: MirrorIo): Outbox["park"] {
  return async function park(partition, owner, orderKey, entries, parking) {
    const [word] = await asStore(
      runScript(writes, parkScript, {
        keys: {
          owner: keys.owner(partition),
          stream: keys.intents(partition),
          list: keys.parkedList(partition, orderKey),
          state: keys.keyState(partition, orderKey),
          parked: keys.parked(partition),
          since: keys.parkedSince(partition),
          load: keys.load(partition),
        },
        args: {
          orderKey,
          call: newCall(),
          fence: fenceText(owner),
          member: `${orderKey}|${parking?.service ?? ""}`,
          service: parking?.service ?? "",
          reason: parking?.reason ?? "",
          inMs: parking === null || parking.inMs === null ? "" : Math.round(parking.inMs),
          error: parking?.error.slice(0, 200) ?? "",
          attempts: parking?.attempts ?? 0,
        },
        moreArgs: entries.map((entry) => entry.entryId),
      }),
    );
    return replyText(word) as "parked" | "lost";
  };
}
