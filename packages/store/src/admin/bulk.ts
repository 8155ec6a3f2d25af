/** Bulk jobs: a hash each, with one field per writer, so that who plans, starts, cancels and works never overwrites another. */
import type { BulkJob, BulkJobs, BulkPlan } from "@sticky-proxy/core/operators";
import { bulkKeptMs } from "@sticky-proxy/core/operators";
import type { Keys } from "../keys.ts";
import type { RedisConnections } from "../redis/redis.ts";
import { unavailable } from "../redis/unavailable.ts";

const maxItems = 20_000;

export function createBulkJobs({
  redis: { reads, writes },
  keys,
}: {
  readonly redis: RedisConnections;
  readonly keys: Keys;
}): BulkJobs {
  const index = keys.meta("bulk-jobs");
  const keyOf = (id: string): string => keys.meta(`bulk:${id}`);
  const itemsOf = (id: string): string => keys.meta(`bulk-items:${id}`);
  const guarded = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      throw unavailable(what, cause);
    }
  };

  async function get(id: string): Promise<BulkJob | null> {
    const { job, plan, start, cancel, end, done, ...rest } = await reads.hgetall(keyOf(id));
    if (job === undefined) return null;
    const counts = Object.entries(rest)
      .filter(([name]) => name.startsWith("n:"))
      .map(([name, count]) => [name.slice(2), Number(count)] as const);
    return {
      ...(JSON.parse(job) as Pick<BulkJob, "id" | "action" | "filter" | "actor" | "createdAt">),
      plan: plan === undefined ? null : (JSON.parse(plan) as BulkPlan),
      start: start === undefined ? null : (JSON.parse(start) as BulkJob["start"]),
      isCancelRequested: cancel !== undefined,
      end: end === undefined ? null : (JSON.parse(end) as BulkJob["end"]),
      done: Number(done ?? 0),
      counts: Object.fromEntries(counts),
    };
  }

  return {
    create: (job) =>
      guarded("create-bulk", async () => {
        await writes.hset(keyOf(job.id), "job", JSON.stringify(job));
        await writes.pexpire(keyOf(job.id), bulkKeptMs);
        await writes.zadd(index, job.createdAt, job.id);
        await writes.zremrangebyscore(index, "-inf", job.createdAt - bulkKeptMs);
      }),
    get: (id) => guarded("bulk", () => get(id)),
    list: () =>
      guarded("bulk-list", async () => {
        const ids = await reads.zrange(index, 0, 99, "REV");
        return (await Promise.all(ids.map(get))).filter((job) => job !== null);
      }),
    planned: (id, plan) =>
      guarded("bulk-plan", async () => void (await writes.hset(keyOf(id), "plan", JSON.stringify(plan)))),
    start: (id, start) =>
      guarded(
        "bulk-start",
        async () => (await writes.hsetnx(keyOf(id), "start", JSON.stringify(start))) === 1,
      ),
    requestCancel: (id) =>
      guarded("bulk-cancel", async () => void (await writes.hset(keyOf(id), "cancel", "1"))),
    addItem: (id, { id: process, result }) =>
      guarded("bulk-item", async () => {
        const written = await writes
          .multi()
          .hincrby(keyOf(id), "done", 1)
          .hincrby(keyOf(id), `n:${result}`, 1)
          .xadd(itemsOf(id), "MAXLEN", "~", maxItems, "*", "process", process, "result", result)
          .pexpire(itemsOf(id), bulkKeptMs)
          .exec();
        const failed = written?.find(([error]) => error !== null)?.[0];
        if (failed != null) throw failed;
      }),
    end: (id, end) =>
      guarded("bulk-end", async () => void (await writes.hset(keyOf(id), "end", JSON.stringify(end)))),
    items: (id, { limit, after }) =>
      guarded("bulk-items", async () => {
        const from = after !== null && /^\d+-\d+$/.test(after) ? `(${after}` : "-";
        const lines = await reads.xrange(itemsOf(id), from, "+", "COUNT", limit);
        const items = lines.map(([, fields]) => ({ id: fields[1] ?? "", result: fields[3] ?? "" }));
        return { items, next: lines.length < limit ? null : lines.at(-1)![0] };
      }),
  };
}
