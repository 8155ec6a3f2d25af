/** Deletes a process and all that belongs to it, if the record still is the version that was seen. */
import type { ProcessRecord } from "@sticky-proxy/core/process";
import { defineScript, newCall } from "../redis/scripts.ts";
import type { ProcessIo } from "./io.ts";
import { memberOf, noticeOf, placeEpoch } from "./place.ts";

export const purgeScript = defineScript({
  name: "purge",
  file: new URL("./purge.lua", import.meta.url),
  keys: ["process", "alarms", "list", "deadLetters", "result", "request", "changes", "held", "timeline"],
  args: ["scope", "call", "epoch", "version", "member", "notice"],
});

/** true: purged by this call. @throws StoreUnavailable */
export async function purgeProcess(io: ProcessIo, base: ProcessRecord): Promise<boolean> {
  const { keys } = io;
  const { partition: p, scope } = base;
  const place = placeEpoch(base);
  let attempts = 0;
  const { word } = await io.repeatOnce(() => {
    attempts += 1;
    return io.run(io.redis.writes, purgeScript, {
      keys: {
        process: keys.process(p, scope, place),
        alarms: keys.alarms(p),
        list: keys.list(p, base.service, base.status),
        deadLetters: keys.deadLetters(p),
        result: keys.result(p, scope, place),
        request: keys.request(p, scope, place),
        changes: keys.changes(p),
        held: keys.held(p),
        timeline: keys.timeline(p, scope, base.epoch),
      },
      args: {
        scope,
        call: newCall(),
        epoch: base.epoch,
        version: base.version,
        member: memberOf({ scope, epoch: place }),
        notice: noticeOf(base, base.version + 1, "purged"),
      },
    });
  });
  // Gone at the repetition: the first attempt purged it, and its answer was lost.
  return word === "purged" || (word === "gone" && attempts > 1);
}
