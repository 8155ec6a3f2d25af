/** Deletes the difference records of a partition that are past their time. */
import type { Outbox } from "@sticky-proxy/core/mirror";
import { defineScript, newCall, runScript } from "../redis/scripts.ts";
import { asStore, type MirrorIo } from "./io.ts";

export const tidyScript = defineScript({
  name: "mirror-tidy",
  file: new URL("./tidy.lua", import.meta.url),
  keys: ["records", "byTime", "byEnd", "chain"],
  args: ["partition", "call"],
});

/** @throws StoreUnavailable */
export function createTidy({ writes, keys }: MirrorIo): Outbox["tidy"] {
  return async function tidy(partition) {
    await asStore(
      runScript(writes, tidyScript, {
        keys: {
          records: keys.records(partition),
          byTime: keys.byTime(partition),
          byEnd: keys.byEnd(partition),
          chain: keys.chain(partition),
        },
        args: { partition, call: newCall() },
      }),
    );
  };
}
