/** Removes a settled entry from its stream or its parked list. */
import type { Outbox } from "@sticky-proxy/core/mirror";
import { defineScript, newCall, replyText, runScript } from "../redis/scripts.ts";
import { asStore, fenceText, mirrorKeepMs, type MirrorIo } from "./io.ts";

export const ackScript = defineScript({
  name: "mirror-ack",
  file: new URL("./ack.lua", import.meta.url),
  keys: ["owner", "stream", "settled", "state", "list", "parked", "since", "load"],
  args: ["entryId", "call", "fence", "member", "service", "bytes", "keepMs"],
});

/** @throws StoreUnavailable */
export function createAck({ writes, keys }: MirrorIo): Outbox["ack"] {
  return async function ack(partition, owner, entry) {
    const [word] = await asStore(
      runScript(writes, ackScript, {
        keys: {
          owner: keys.owner(partition),
          stream: keys.intents(partition),
          settled: keys.settled(partition),
          state: keys.keyState(partition, entry.orderKey),
          list: keys.parkedList(partition, entry.orderKey),
          parked: keys.parked(partition),
          since: keys.parkedSince(partition),
          load: keys.load(partition),
        },
        args: {
          entryId: entry.entryId,
          call: newCall(),
          fence: fenceText(owner),
          member: `${entry.orderKey}|${entry.service}`,
          service: entry.service,
          bytes: entry.bodyBytes,
          keepMs: mirrorKeepMs,
        },
      }),
    );
    return replyText(word) as "acked" | "unsettled" | "lost";
  };
}
