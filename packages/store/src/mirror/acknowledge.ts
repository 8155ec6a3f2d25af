/** Notes beside a difference record who has seen it. */
import { chainDigest, type Acknowledgement } from "@sticky-proxy/core/mirror";
import { defineScript, newCall, replyText, runScript } from "../redis/scripts.ts";
import { asStore, type MirrorIo } from "./io.ts";
import type { RecordPlace } from "./records.ts";

export const acknowledgeScript = defineScript({
  name: "mirror-acknowledge",
  file: new URL("./acknowledge.lua", import.meta.url),
  keys: ["records", "byEnd", "chain", "links"],
  args: ["member", "call", "note", "digest"],
});

/** false: the record has gone. @throws StoreUnavailable */
export async function writeAcknowledgement(
  { writes, keys }: MirrorIo,
  { partition, stamp }: RecordPlace,
  acknowledgement: Acknowledgement,
): Promise<boolean> {
  const note = JSON.stringify(acknowledgement);
  const [word] = await asStore(
    runScript(writes, acknowledgeScript, {
      keys: {
        records: keys.records(partition),
        byEnd: keys.byEnd(partition),
        chain: keys.chain(partition),
        links: keys.links(partition),
      },
      args: { member: String(stamp), call: newCall(), note, digest: chainDigest(note) },
    }),
  );
  return replyText(word) !== "gone";
}
