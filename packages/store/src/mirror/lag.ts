/** The mirror's lag by service: entries, bytes, parked keys and the age of the oldest, summed over the partitions. */
import type { Lag, Outbox } from "@sticky-proxy/core/mirror";
import { splitMember, streamEntry } from "./entries.ts";
import {
  defineScript,
  newCall,
  type Reply,
  replyList,
  replyNumber,
  replyText,
  runScript,
} from "../redis/scripts.ts";
import { allPartitions, asStore, type MirrorIo } from "./io.ts";

export const lagScript = defineScript({
  name: "mirror-lag",
  file: new URL("./lag.lua", import.meta.url),
  keys: ["stream", "load", "since"],
  args: ["partition", "call"],
});

/** @throws StoreUnavailable */
export function createLag({ reads, keys, partitions }: MirrorIo): Outbox["lag"] {
  return async function lag() {
    const replies = await asStore(
      Promise.all(
        allPartitions(partitions).map((partition) =>
          runScript(reads, lagScript, {
            keys: {
              stream: keys.intents(partition),
              load: keys.load(partition),
              since: keys.parkedSince(partition),
            },
            args: { partition, call: newCall() },
          }),
        ),
      ),
    );
    return sumLags(replies);
  };
}

/** @param replies one of lag.lua per partition */
function sumLags(replies: readonly (readonly Reply[])[]): Map<string, Lag> {
  const lags = new Map<string, { -readonly [K in keyof Lag]: Lag[K] }>();
  const of = (service: string): { -readonly [K in keyof Lag]: Lag[K] } => {
    let lag = lags.get(service);
    if (lag === undefined) lags.set(service, (lag = { entries: 0, bytes: 0, parkedKeys: 0, oldestMs: null }));
    return lag;
  };
  const age = (service: string, ms: number): void => {
    const lag = of(service);
    lag.oldestMs = Math.max(lag.oldestMs ?? 0, ms);
  };
  for (const [nowReply, load, oldest, since] of replies) {
    const now = replyNumber(nowReply);
    const flat = replyList(load).map((one) => replyText(one) ?? "");
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const service = flat[i]!.slice(2);
      const count = Number(flat[i + 1]);
      if (flat[i]!.startsWith("n:")) of(service).entries += count;
      else if (flat[i]!.startsWith("b:")) of(service).bytes += count;
      else of(service).parkedKeys += count;
    }
    for (const entry of replyList(oldest).map(streamEntry)) age(entry.service, now - entry.at);
    const [member, at] = replyList(since).map(replyText);
    if (member != null && at != null) age(splitMember(member).service, now - Number(at));
  }
  return lags;
}
