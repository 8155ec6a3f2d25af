/** Gaps: spans of time in which copies of a route were not made. */
import { coverageWindow, type Gap, type Outbox } from "@sticky-proxy/core/mirror";
import { defineScript, newCall, runScript } from "../redis/scripts.ts";
import { counterName } from "./counters.ts";
import { allPartitions, asStore, mirrorKeepMs, servicePartition, type MirrorIo } from "./io.ts";

export const gapScript = defineScript({
  name: "mirror-gap",
  file: new URL("./gap.lua", import.meta.url),
  keys: ["gaps", "counters"],
  args: ["service", "call", "gap", "eligible", "skipped", "count", "keepMs"],
});

/** @throws StoreUnavailable */
export function createNoteGap({ writes, keys, partitions }: MirrorIo): Outbox["noteGap"] {
  return async function noteGap(gap, counted) {
    const p = servicePartition(gap.service, partitions);
    await asStore(
      runScript(writes, gapScript, {
        keys: { gaps: keys.gaps(p), counters: keys.counters(p, coverageWindow(gap.from)) },
        args: {
          service: gap.service,
          call: newCall(),
          gap: JSON.stringify(gap),
          eligible: counterName(gap.service, gap.route, "eligible"),
          skipped: counterName(gap.service, gap.route, `skipped:${gap.reason}`),
          count: counted,
          keepMs: mirrorKeepMs,
        },
      }),
    );
  };
}

/** The newest first, over all partitions. @throws StoreUnavailable */
export function createGaps({ reads, keys, partitions }: MirrorIo): Outbox["gaps"] {
  return async function gaps({ limit }) {
    const lists = await asStore(
      Promise.all(
        allPartitions(partitions).map((p) => reads.xrevrange(keys.gaps(p), "+", "-", "COUNT", limit)),
      ),
    );
    return lists
      .flat()
      .map(([, fields]) => JSON.parse(fields[1]!) as Gap)
      .sort((a, b) => b.to - a.to)
      .slice(0, limit);
  };
}
