/** Reads the next entries of a partition's stream, and the parked keys whose next try is due. */
import type { Outbox } from "@sticky-proxy/core/mirror";
import { defineScript, newCall, replyList, replyNumber, replyText, runScript } from "../redis/scripts.ts";
import { splitMember, streamEntry } from "./entries.ts";
import { asStore, type MirrorIo } from "./io.ts";

export const peekScript = defineScript({
  name: "mirror-peek",
  file: new URL("./peek.lua", import.meta.url),
  keys: ["stream", "parked"],
  args: ["partition", "call", "after", "limit"],
});

/** @throws StoreUnavailable */
export function createPeek({ reads, keys }: MirrorIo): Outbox["peek"] {
  return async function peek(partition, { after, limit }) {
    const [now, entries, due] = await asStore(
      runScript(reads, peekScript, {
        keys: { stream: keys.intents(partition), parked: keys.parked(partition) },
        args: { partition, call: newCall(), after: after ?? "", limit },
      }),
    );
    return {
      now: replyNumber(now),
      entries: replyList(entries).map(streamEntry),
      due: replyList(due).map((member) => splitMember(replyText(member)!).orderKey),
    };
  };
}
