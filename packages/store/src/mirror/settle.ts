/** Settles an entry: outcome, counters and difference in one step; the outcome of its first settlement stays. */
import { bounded, chainDigest, type NewDifference, type Outbox } from "@sticky-proxy/core/mirror";
import { defineScript, newCall, replyText, runScript } from "../redis/scripts.ts";
import { counterName, groupNames } from "./counters.ts";
import { asStore, fenceText, mirrorKeepMs, type MirrorIo } from "./io.ts";
import type { MirrorKeys } from "./keys.ts";
import { sealedRecord } from "./records.ts";
import type { Sealing } from "../sealing/sealing.ts";

export const settleScript = defineScript({
  name: "mirror-settle",
  file: new URL("./settle.lua", import.meta.url),
  keys: ["owner", "settled", "counters", "state", "records", "byTime", "byEnd", "sums", "chain", "links"],
  args: [
    "entryId",
    "call",
    "fence",
    "counter",
    "outcome",
    "count",
    "diverged",
    "endedAt",
    "record",
    "groups",
    "ttlMs",
    "max",
    "keepMs",
    "eligible",
    "digest",
  ],
});

/** @throws StoreUnavailable */
export function createSettle({ writes, keys }: MirrorIo, sealing: Sealing): Outbox["settle"] {
  return async function settle(partition, owner, entry, settlement) {
    const { outcome, diverged, endedAt, limits } = settlement;
    const difference = settlement.difference === null ? null : bounded(settlement.difference);
    const groups = groupNames(entry.service, entry.route, difference);
    const [word] = await asStore(
      runScript(writes, settleScript, {
        keys: settleKeys(keys, partition, entry.window, entry.orderKey),
        args: {
          entryId: entry.entryId,
          call: newCall(),
          fence: fenceText(owner),
          counter: counterName(entry.service, entry.route, ""),
          outcome,
          count: 1,
          eligible: 0,
          diverged: diverged ? 1 : 0,
          endedAt: endedAt === null ? "" : endedAt,
          ...recordArgs(sealing, partition, difference),
          groups: JSON.stringify(groups),
          ttlMs: limits.ttlMs,
          max: limits.maxDifferences,
          keepMs: mirrorKeepMs,
        },
      }),
    );
    return replyText(word) as "settled" | "known" | "lost";
  };
}

/** The record as it is kept, and what its link covers. */
export function recordArgs(
  sealing: Sealing,
  partition: number,
  difference: NewDifference | null,
): { record: string; digest: string } {
  if (difference === null) return { record: "", digest: "" };
  const record = sealedRecord(sealing, partition, difference);
  return { record, digest: chainDigest(record) };
}

export function settleKeys(keys: MirrorKeys, partition: number, window: number, orderKey: string) {
  return {
    owner: keys.owner(partition),
    settled: keys.settled(partition),
    counters: keys.counters(partition, window),
    state: keys.keyState(partition, orderKey),
    records: keys.records(partition),
    byTime: keys.byTime(partition),
    byEnd: keys.byEnd(partition),
    sums: keys.sums(partition, window),
    chain: keys.chain(partition),
    links: keys.links(partition),
  };
}
