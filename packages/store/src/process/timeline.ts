/** Timelines: one list per process, cut at its cap, which ends with the record. */
import {
  wholeTimeline,
  type ProcessStore,
  type TimelineEntry,
  type TimelineLine,
} from "@sticky-proxy/core/process";
import { defineScript, newCall } from "../redis/scripts.ts";
import { guarded, type ProcessIo } from "./io.ts";

export const noteScript = defineScript({
  name: "note",
  file: new URL("./note.lua", import.meta.url),
  keys: ["process", "archived", "timeline"],
  args: ["scope", "call", "epoch", "cap", "entry"],
});

/** @throws StoreUnavailable */
export function createTimeline(io: ProcessIo): Pick<ProcessStore, "note" | "timeline"> {
  const { redis, keys, timelineLength } = io;
  return {
    async note({ partition: p, scope, epoch }, entry) {
      await io.run(redis.writes, noteScript, {
        keys: {
          process: keys.process(p, scope, null),
          archived: keys.process(p, scope, epoch),
          timeline: keys.timeline(p, scope, epoch),
        },
        args: { scope, call: newCall(), epoch, cap: timelineLength, entry: JSON.stringify(entry) },
      });
    },

    async timeline(ref) {
      const key = keys.timeline(ref.partition, ref.scope, ref.epoch);
      const [{ record }, lines] = await Promise.all([
        io.read(ref, { withResult: false }),
        guarded("timeline", () => redis.reads.lrange(key, 0, -1)),
      ]);
      return wholeTimeline(record, lines.flatMap(lineOf));
    },
  };
}

/** A line as `note` of process-write.lua writes it. */
function lineOf(text: string): TimelineLine[] {
  const [, at, count, lastAt, entry] = /^(\d+) (\d+) (\d+) (.*)$/s.exec(text) ?? [];
  if (entry === undefined) return [];
  return [
    {
      at: Number(at),
      count: Number(count),
      lastAt: Number(lastAt),
      entry: JSON.parse(entry) as TimelineEntry,
    },
  ];
}
