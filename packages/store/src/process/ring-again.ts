/** Lets a claimed alarm ring sooner than its hiding would: its claimer cannot do what is due, another node may. */
import type { ProcessRecord } from "@sticky-proxy/core/process";
import { defineScript, newCall } from "../redis/scripts.ts";
import type { ProcessIo } from "./io.ts";
import { memberOf, placeEpoch } from "./place.ts";

export const ringAgainScript = defineScript({
  name: "ring-again",
  file: new URL("./ring-again.lua", import.meta.url),
  keys: ["process", "alarms"],
  args: ["member", "call", "epoch", "version", "inMs"],
});

/** @throws StoreUnavailable */
export async function ringAgain(io: ProcessIo, base: ProcessRecord, inMs: number): Promise<void> {
  const { keys } = io;
  const { partition: p, scope } = base;
  const epoch = placeEpoch(base);
  await io.run(io.redis.writes, ringAgainScript, {
    keys: { process: keys.process(p, scope, epoch), alarms: keys.alarms(p) },
    args: {
      member: memberOf({ scope, epoch }),
      call: newCall(),
      epoch: base.epoch,
      version: base.version,
      inMs: Math.ceil(inMs),
    },
  });
}
