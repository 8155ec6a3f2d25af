/** Takes the alarms that are due, each hidden from other nodes for a while, and reads their processes. */
import type { EpochMs } from "@sticky-proxy/protocol";
import type { ProcessRecord, ProcessStore } from "@sticky-proxy/core/process";
import { serverTime } from "../redis/redis.ts";
import { defineScript, newCall, replyList } from "../redis/scripts.ts";
import type { ServerClock } from "../redis/server-clock.ts";
import { forgetProcess } from "./forget.ts";
import { guarded, type ProcessIo } from "./io.ts";
import { parseMember, type Place } from "./place.ts";

export const claimDueScript = defineScript({
  name: "claim-due",
  file: new URL("./claim-due.lua", import.meta.url),
  keys: ["alarms"],
  args: ["partition", "call", "limit", "hideMs", "newest"],
});

/** So many of one partition before the next one has its turn. */
const turn = 10;
/** This share of a backlog's turn goes to the newest. */
const newestShare = 0.25;

/** After a jump of the server's clock nothing is due for `jumpGraceMs`. @throws StoreUnavailable */
export function createClaimDue(
  io: ProcessIo,
  clock: ServerClock,
  jumpGraceMs: number,
): ProcessStore["claimDue"] {
  const { redis, keys, partitions } = io;
  const every = Array.from({ length: partitions }, (_, p) => p);
  let firstPartition = 0;

  async function claimPartition(
    p: number,
    limit: number,
    hideMs: number,
  ): Promise<{ now: EpochMs; places: Place[] }> {
    const { now, rest } = await io.run(redis.writes, claimDueScript, {
      keys: { alarms: keys.alarms(p) },
      args: {
        partition: p,
        call: newCall(),
        limit,
        hideMs,
        newest: limit > 1 ? Math.ceil(limit * newestShare) : 0,
      },
    });
    return { now, places: replyList(rest[0]).map((member) => parseMember(p, String(member))) };
  }

  /** The record whose alarm rang; null: it was renewed meanwhile, or has gone and only left its traces. */
  async function dueRecord(place: Place): Promise<ProcessRecord | null> {
    const { now, record } = await io.read(place, { withResult: false });
    if (record === null) {
      await forgetProcess(io, place);
      return null;
    }
    return record.wakeAt !== null && record.wakeAt <= now ? record : null;
  }

  return async function claimDue({ limit, hideMs }) {
    // One look at each partition's first alarm costs far less than a script in each of them.
    const [time, ...first] = await guarded("claim-due", () =>
      Promise.all([
        serverTime(redis.reads),
        ...every.map((p) => redis.reads.zrange(keys.alarms(p), 0, 0, "WITHSCORES")),
      ]),
    );
    let now = time;
    // A server clock set forward makes every lease look over: owners first get the time to renew.
    if (clock.steadyForMs() < jumpGraceMs) return { now, due: [] };
    const due: ProcessRecord[] = [];
    const isDue = (p: number): boolean => Number(first[p]![1] ?? Infinity) <= now;
    // From where the last call ended, so that no partition starves behind another one's backlog.
    let waiting = every.map((_, i) => (firstPartition + i) % partitions).filter(isDue);
    while (waiting.length > 0 && due.length < limit) {
      const again: number[] = [];
      for (const p of waiting) {
        const left = limit - due.length;
        if (left === 0) break;
        firstPartition = (p + 1) % partitions;
        const most = Math.min(left, Math.max(turn, Math.ceil(limit / waiting.length)));
        const claimed = await claimPartition(p, most, hideMs);
        now = claimed.now;
        if (claimed.places.length === most) again.push(p);
        const records = await Promise.all(claimed.places.map(dueRecord));
        for (const record of records) if (record !== null) due.push(record);
      }
      waiting = again;
    }
    return { now, due };
  };
}
