/** Reads a process: the scope's own record, or the one moved aside under the epoch. */
import type { ProcessStore } from "@sticky-proxy/core/process";
import { defineScript, newCall, replyList } from "../redis/scripts.ts";
import type { ProcessIo } from "./io.ts";
import { decodeResult } from "./payload.ts";
import { recordOf } from "./record.ts";

export const readScript = defineScript({
  name: "read",
  file: new URL("./read.lua", import.meta.url),
  keys: ["process", "archived", "result", "archivedResult"],
  args: ["scope", "call", "epoch", "withResult"],
});

/** @throws StoreUnavailable */
export function readProcess({
  redis,
  keys,
  run,
  sealing,
}: Pick<ProcessIo, "redis" | "keys" | "run" | "sealing">): ProcessStore["read"] {
  return async ({ partition: p, scope, epoch }, { withResult }) => {
    const { now, rest } = await run(redis.reads, readScript, {
      keys: {
        process: keys.process(p, scope, null),
        archived: keys.process(p, scope, epoch),
        result: keys.result(p, scope, null),
        archivedResult: keys.result(p, scope, epoch),
      },
      args: { scope, call: newCall(), epoch: epoch ?? "", withResult: withResult ? 1 : 0 },
    });
    const record = recordOf(replyList(rest[0]), p, scope);
    const place = { partition: p, scope };
    return { now, record, result: decodeResult(sealing, place, rest[1], record?.resultPayload ?? null) };
  };
}
