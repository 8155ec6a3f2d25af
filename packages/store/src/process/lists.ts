/** The lists of processes by service and status, and of dead letters: one sorted set per partition, scored by epoch. */
import { asEpochMs } from "@sticky-proxy/protocol";
import { listOf, type ProcessStore, type Status } from "@sticky-proxy/core/process";
import type { RedisConnections } from "../redis/redis.ts";
import { serverTime } from "../redis/redis.ts";
import type { Keys } from "../keys.ts";
import { guarded, type ProcessIo } from "./io.ts";
import { readPage } from "./page.ts";

export const statuses: readonly Status[] = ["pending", "in-progress", "completed", "failed", "cancelled"];

/** Notes once per connection that a service has lists, so that `forgetProcess` finds them. */
export function createServiceNames(redis: RedisConnections, keys: Keys): (service: string) => void {
  const noted = new Set<string>();
  redis.writes.on("ready", () => noted.clear()); // the data may be gone
  return function noteService(service) {
    if (noted.has(service)) return;
    noted.add(service);
    redis.writes.sadd(keys.meta("services"), service).catch(() => noted.delete(service));
  };
}

/** @throws StoreUnavailable */
export function createLists(
  io: ProcessIo,
): Pick<ProcessStore, "list" | "listNewest" | "deadLetters" | "count" | "oldestAt"> {
  const { redis, keys } = io;
  const every = Array.from({ length: io.partitions }, (_, p) => p);
  return {
    list: ({ service, status, olderThanMs, limit, cursor }) =>
      guarded("list", async () => {
        const newest = olderThanMs === null ? null : (await serverTime(redis.reads)) - olderThanMs;
        return readPage(
          io,
          (p) => [keys.list(p, service, status)],
          { limit, cursor, newestEpoch: newest === null ? null : newest * 1000 + 999 },
          (record) =>
            listOf(record) === listOf({ service, status, expired: false }) &&
            (newest === null || record.createdAt <= newest),
        );
      }),

    listNewest: (query) =>
      guarded("list-newest", () => {
        const { services, limit, cursor, createdFrom, createdTo } = query;
        // In the order of a process's life: one that moves on while the lists are read is seen twice, never missed.
        const wanted = statuses.filter((status) => query.statuses.includes(status));
        return readPage(
          io,
          (p) => wanted.flatMap((status) => services.map((service) => keys.list(p, service, status))),
          {
            limit,
            cursor,
            newestEpoch: createdTo === null ? null : createdTo * 1000 + 999,
            oldestEpoch: createdFrom === null ? null : createdFrom * 1000,
          },
          (record) => !record.expired && wanted.includes(record.status),
        );
      }),

    deadLetters: ({ limit, cursor }) =>
      guarded("dead-letters", () =>
        readPage(
          io,
          (p) => [keys.deadLetters(p)],
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
  };
}
