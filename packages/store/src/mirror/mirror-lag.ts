/** Sums what the partitions say about their load. */
import type { Lag } from "@sticky-proxy/core/mirror";
import { splitMember, streamEntry } from "./mirror-entries.ts";
import { type Reply, replyList, replyNumber, replyText } from "../redis/scripts.ts";

/** @param replies one of mirror-lag.lua per partition */
export function sumLags(replies: readonly (readonly Reply[])[]): Map<string, Lag> {
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
