/** Timelines: one stream per partition, cut at its cap, read for one process at a time. */
import type { ProcessStore, TimelineEntry } from "@sticky-proxy/core/process";
import { guarded, type ProcessIo } from "./io.ts";

/** @throws StoreUnavailable */
export function createTimeline({
  redis,
  keys,
  timelineLength,
}: ProcessIo): Pick<ProcessStore, "note" | "timeline"> {
  return {
    note: ({ partition, scope, epoch }, entry) =>
      guarded("note", async () => {
        const key = keys.timeline(partition);
        const fields = ["process", `${scope}:${epoch}`, "entry", JSON.stringify(entry)];
        await redis.writes.xadd(key, "MAXLEN", "~", timelineLength, "*", ...fields);
      }),

    timeline: ({ partition, scope, epoch }) =>
      guarded("timeline", async () => {
        const lines = await redis.reads.xrange(keys.timeline(partition), "-", "+");
        const process = `${scope}:${epoch}`;
        return lines
          .filter(([, fields]) => fields[1] === process)
          .map(([id, fields]) => ({
            ...(JSON.parse(fields[3] ?? "{}") as TimelineEntry),
            at: id.slice(0, id.indexOf("-")),
          }));
      }),
  };
}
