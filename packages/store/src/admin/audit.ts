/** The audit: a stream of what was begun, and a hash of what came of it under the stream's own ids. */
import {
  answersAuditQuery,
  type Audit,
  type AuditEntry,
  type AuditStart,
} from "@sticky-proxy/core/operators";
import { InvalidCursor } from "@sticky-proxy/core/process";
import type { Keys } from "../keys.ts";
import { serverTime, type RedisConnections } from "../redis/redis.ts";
import { unavailable } from "../redis/unavailable.ts";

const maxEntries = 100_000;
const maxAgeMs = 90 * 86_400_000;
/** One call looks at no more than this many pages of the stream. */
const maxPages = 20;
const pageSize = 200;

export function createAudit({
  redis: { reads, writes },
  keys,
}: {
  readonly redis: RedisConnections;
  readonly keys: Keys;
}): Audit {
  const stream = keys.meta("audit");
  const results = keys.meta("audit-results");
  const guarded = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      throw unavailable(what, cause);
    }
  };

  /** Results of entries that the stream has dropped go with them. */
  async function trim(now: number): Promise<void> {
    await writes.xtrim(stream, "MINID", now - maxAgeMs);
    const [first] = await reads.xrange(stream, "-", "+", "COUNT", 1);
    if (first === undefined) return;
    const known = await reads.hkeys(results);
    const dropped = known.filter((id) => compareIds(id, first[0]) < 0);
    if (dropped.length > 0) await writes.hdel(results, ...dropped);
  }

  async function readEntries(before: string): Promise<AuditEntry[]> {
    const lines = await reads.xrevrange(stream, before, "-", "COUNT", pageSize);
    if (lines.length === 0) return [];
    const ended = await reads.hmget(results, ...lines.map(([id]) => id));
    return lines.map(([id, fields], i) => ({
      ...(JSON.parse(fields[1] ?? "{}") as AuditStart),
      id,
      at: Number(id.split("-")[0]),
      result: ended[i] ?? null,
    }));
  }

  return {
    begin: (start) =>
      guarded("audit", async () => {
        const id = await writes.xadd(stream, "MAXLEN", "~", maxEntries, "*", "entry", JSON.stringify(start));
        if (id === null) throw new Error("the stream gave no id");
        if (id.endsWith("00-0")) await trim(await serverTime(reads)); // now and then: one id in a hundred
        return id;
      }),
    end: (id, result) => guarded("audit-result", async () => void (await writes.hset(results, id, result))),
    list: (query) =>
      guarded("audit-list", async () => {
        const items: AuditEntry[] = [];
        if (query.cursor !== null && !/^\d+-\d+$/.test(query.cursor)) throw new InvalidCursor();
        let before = query.cursor === null ? "+" : `(${query.cursor}`;
        for (let pages = 0; pages < maxPages; pages += 1) {
          const entries = await readEntries(before);
          for (const entry of entries) {
            if (answersAuditQuery(entry, query)) items.push(entry);
            before = `(${entry.id}`;
            if (items.length === query.limit) return { items, next: entry.id };
          }
          const oldest = entries.at(-1);
          if (oldest === undefined || entries.length < pageSize || oldest.at < (query.since ?? 0))
            return { items, next: null };
        }
        return { items, next: before.slice(1) };
      }),
  };
}

function compareIds(a: string, b: string): number {
  const [aMs = 0, aNo = 0] = a.split("-").map(Number);
  const [bMs = 0, bNo = 0] = b.split("-").map(Number);
  return aMs - bMs || aNo - bNo;
}
