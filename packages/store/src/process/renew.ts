/** Renews leases, one call per partition. */
import type { Lease } from "@sticky-proxy/core/process";
import { defineScript, newCall, replyList } from "../redis/scripts.ts";
import type { ProcessIo } from "./io.ts";

export const renewScript = defineScript({
  name: "renew",
  file: new URL("./renew.lua", import.meta.url),
  keys: ["alarms"],
  moreKeys: "processes",
  args: ["partition", "call"],
  moreArgs: "leases",
});

/** The leases that are lost: another owner has the process, or it is in progress no more. @throws StoreUnavailable */
export async function renewLeases(
  { redis, keys, run }: ProcessIo,
  leases: readonly Lease[],
): Promise<readonly Lease[]> {
  const byPartition = Map.groupBy(leases, (lease) => lease.partition);
  const lost = await Promise.all(
    [...byPartition].map(async ([p, group]) => {
      const { rest } = await run(redis.writes, renewScript, {
        keys: { alarms: keys.alarms(p) },
        moreKeys: group.map(({ scope }) => keys.process(p, scope, null)),
        args: { partition: p, call: newCall() },
        moreArgs: group.flatMap(({ scope, epoch, owner, leaseMs }) => [scope, epoch, owner, leaseMs]),
      });
      const gone = new Set(replyList(rest[0]).map(String));
      return group.filter(({ scope, epoch }) => gone.has(`${scope}:${epoch}`));
    }),
  );
  return lost.flat();
}
