/**
 * What is found by something else than its scope: alarms, the panel's lists, dead letters, timelines, job ids.
 * Sets are read per partition and joined here; the records come from the process store's own read.
 */
import { createHash } from "node:crypto";
import {
  listOf,
  type Page,
  type ProcessRecord,
  type ProcessStore,
  type Snapshot,
  type Status,
  type TimelineEntry,
} from "@sticky-proxy/core/process";
import {
  parseProcessId,
  formatProcessId,
  asEpochMs,
  asFence,
  asScope,
  type EpochMs,
  type Fence,
  type Scope,
} from "@sticky-proxy/protocol";
import type { Keys } from "../keys.ts";
import { processScripts } from "./process-scripts.ts";
import { type RedisConnections, serverTime } from "../redis/redis.ts";
import type { ScriptSession } from "../redis/script-session.ts";
import { newCall, replyList } from "../redis/scripts.ts";
import type { ServerClock } from "../redis/server-clock.ts";
import { unavailable } from "../redis/unavailable.ts";

const statuses: readonly Status[] = ["pending", "in-progress", "completed", "failed", "cancelled"];

type Indexes = Pick<
  ProcessStore,
  | "claimDue"
  | "note"
  | "timeline"
  | "list"
  | "deadLetters"
  | "count"
  | "oldestAt"
  | "correlate"
  | "correlated"
>;

interface Deps {
  readonly redis: RedisConnections;
  readonly keys: Keys;
  readonly partitions: number;
  readonly cap: number;
  readonly clock: ServerClock;
  readonly jumpGraceMs: number;
  readonly read: (
    ref: { partition: number; scope: Scope; epoch: Fence | null },
    options: { withResult: boolean },
  ) => Promise<Snapshot>;
  readonly run: ScriptSession["run"];
}

/** A member of a set: `scope`, or `scope:epoch` when superseded. */
interface Place {
  readonly partition: number;
  readonly scope: Scope;
  readonly epoch: Fence | null;
}

export interface ProcessIndexes extends Indexes {
  /** Notes once that a service has lists. */
  known(service: string): void;
}

export function createProcessIndexes({
  redis,
  keys,
  partitions,
  cap,
  clock,
  jumpGraceMs,
  read,
  run,
}: Deps): ProcessIndexes {
  const every = Array.from({ length: partitions }, (_, p) => p);
  const services = new Set<string>();
  let firstPartition = 0;
  redis.writes.on("ready", () => services.clear()); // the data may be gone

  async function guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw unavailable(what, cause);
    }
  }

  async function claimPartition(
    p: number,
    limit: number,
    hideMs: number,
  ): Promise<{ now: EpochMs; places: Place[] }> {
    const { now, rest } = await run(redis.writes, processScripts.claimDue, {
      keys: { alarms: keys.alarms(p) },
      args: { partition: p, call: newCall(), limit, hideMs },
    });
    return { now, places: replyList(rest[0]).map((member) => placeOf(p, String(member))) };
  }

  /** The record of a rung alarm, or null when it was renewed meanwhile, or has gone and only left its traces. */
  async function rung(place: Place): Promise<ProcessRecord | null> {
    const { now, record } = await read(place, { withResult: false });
    if (record === null) {
      await forget(place);
      return null;
    }
    return record.wakeAt !== null && record.wakeAt <= now ? record : null;
  }

  async function forget({ partition: p, scope, epoch }: Place): Promise<void> {
    const names = await redis.reads.smembers(keys.meta("services"));
    await run(redis.writes, processScripts.forget, {
      keys: {
        process: keys.process(p, scope, epoch),
        alarms: keys.alarms(p),
        deadLetters: keys.deadLetters(p),
        result: keys.result(p, scope, epoch),
        request: keys.request(p, scope, epoch),
      },
      moreKeys: names.flatMap((service) => statuses.map((status) => keys.list(p, service, status))),
      args: { scope, call: newCall(), member: epoch === null ? scope : `${scope}:${epoch}` },
    });
  }

  /** Newest first over all partitions; `epoch` orders, the member breaks ties. */
  async function page(
    keyOf: (p: number) => string,
    query: { limit: number; cursor: string | null; newestEpoch: number | null },
    isWanted: (record: ProcessRecord) => boolean,
  ): Promise<Page<ProcessRecord>> {
    const after = parseCursor(query.cursor);
    const top = Math.min(after?.epoch ?? Infinity, query.newestEpoch ?? Infinity);
    const found = await Promise.all(
      every.map(async (p) => {
        const flat = await redis.reads.zrange(
          keyOf(p),
          top === Infinity ? "+inf" : top,
          "-inf",
          "BYSCORE",
          "REV",
          "LIMIT",
          0,
          query.limit + 2, // one more to see whether more follow, one for the cursor's own
          "WITHSCORES",
        );
        const members: { p: number; member: string; epoch: number }[] = [];
        for (let i = 0; i + 1 < flat.length; i += 2) {
          members.push({ p, member: flat[i]!, epoch: Number(flat[i + 1]) });
        }
        return members;
      }),
    );
    const members = found
      .flat()
      .sort((a, b) => b.epoch - a.epoch || compare(a.member, b.member))
      .filter(
        ({ epoch, member }) =>
          after === null || epoch < after.epoch || (epoch === after.epoch && member > after.member),
      );
    const chosen = members.slice(0, query.limit);
    const last = chosen.at(-1);
    const snapshots = await Promise.all(
      chosen.map(({ p, member }) => read(placeOf(p, member), { withResult: false })),
    );
    return {
      items: snapshots
        .map(({ record }) => record)
        .filter((record) => record !== null && isWanted(record)) as ProcessRecord[],
      next: members.length > chosen.length && last !== undefined ? `${last.epoch}.${last.member}` : null,
    };
  }

  function jobKey(service: string, jobId: string): string {
    const digest = createHash("sha256").update(`${service.length}:${service}${jobId}`).digest();
    return keys.job(digest.readUInt32BE(0) % partitions, digest.toString("base64url"));
  }

  return {
    known(service) {
      if (services.has(service)) return;
      services.add(service);
      redis.writes.sadd(keys.meta("services"), service).catch(() => services.delete(service));
    },

    async claimDue({ limit, hideMs }) {
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
      firstPartition = (firstPartition + 1) % partitions; // so that no partition starves when many are due
      for (let i = 0; i < partitions && due.length < limit; i += 1) {
        const p = (firstPartition + i) % partitions;
        const score = first[p]![1];
        if (score === undefined || Number(score) > now) continue;
        const claimed = await claimPartition(p, limit - due.length, hideMs);
        now = claimed.now;
        const records = await Promise.all(claimed.places.map(rung));
        for (const record of records) if (record !== null) due.push(record);
      }
      return { now, due };
    },

    note: ({ partition, scope, epoch }, entry) =>
      guarded("note", async () => {
        const process = `${scope}:${epoch}`;
        const key = keys.timeline(partition);
        await redis.writes.xadd(
          key,
          "MAXLEN",
          "~",
          cap,
          "*",
          "process",
          process,
          "entry",
          JSON.stringify(entry),
        );
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

    list: ({ service, status, olderThanMs, limit, cursor }) =>
      guarded("list", async () => {
        const newest = olderThanMs === null ? null : (await serverTime(redis.reads)) - olderThanMs;
        return page(
          (p) => keys.list(p, service, status),
          { limit, cursor, newestEpoch: newest === null ? null : newest * 1000 + 999 },
          (record) =>
            listOf(record) === listOf({ service, status, expired: false }) &&
            (newest === null || record.createdAt <= newest),
        );
      }),

    deadLetters: ({ limit, cursor }) =>
      guarded("dead-letters", () =>
        page(
          (p) => keys.deadLetters(p),
          { limit, cursor, newestEpoch: null },
          (record) => record.deadLetter !== null,
        ),
      ),

    count: (service) =>
      guarded("count", async () => {
        const counts = { pending: 0, "in-progress": 0, completed: 0, failed: 0, cancelled: 0 };
        await Promise.all(
          statuses.flatMap((status) =>
            every.map(async (p) => {
              const size = await redis.reads.zcard(keys.list(p, service, status));
              counts[status] += size;
            }),
          ),
        );
        return counts;
      }),

    oldestAt: (service, status) =>
      guarded("oldest", async () => {
        const firsts = await Promise.all(
          every.map((p) => redis.reads.zrange(keys.list(p, service, status), 0, 0, "WITHSCORES")),
        );
        const epochs = firsts.flatMap(([, epoch]) => (epoch === undefined ? [] : [Number(epoch)]));
        return epochs.length === 0 ? null : asEpochMs(Math.floor(Math.min(...epochs) / 1000)); // an epoch is in microseconds
      }),

    correlate: (service, jobId, { attempt, ...ref }, keepMs) =>
      guarded("correlate", async () => {
        const text = `${formatProcessId(ref)} ${attempt}`;
        await redis.writes.set(jobKey(service, jobId), text, "PX", Math.ceil(keepMs));
      }),

    correlated: (service, jobId) =>
      guarded("correlated", async () => {
        const [id = "", attempt] = (await redis.reads.get(jobKey(service, jobId)))?.split(" ") ?? [];
        const ref = parseProcessId(id);
        return ref && { ...ref, attempt: Number(attempt) };
      }),
  };
}

function placeOf(partition: number, member: string): Place {
  const colon = member.indexOf(":");
  if (colon === -1) return { partition, scope: asScope(member), epoch: null };
  return {
    partition,
    scope: asScope(member.slice(0, colon)),
    epoch: asFence(Number(member.slice(colon + 1))),
  };
}

function parseCursor(cursor: string | null): { epoch: number; member: string } | null {
  if (cursor === null) return null;
  const dot = cursor.indexOf(".");
  const epoch = Number(cursor.slice(0, dot));
  if (dot < 1 || !Number.isSafeInteger(epoch)) return null;
  return { epoch, member: cursor.slice(dot + 1) };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
