/** Pages over one sorted set per partition, joined newest first: the epoch orders, the member breaks ties. */
import type { Page, ProcessRecord } from "@sticky-proxy/core/process";
import type { ProcessIo } from "./io.ts";
import { parseMember } from "./place.ts";

export interface PageQuery {
  readonly limit: number;
  /** From the page before; null, or not a cursor: the first page. */
  readonly cursor: string | null;
  /** Nothing newer than this epoch, µs; null: no limit. */
  readonly newestEpoch: number | null;
}

interface Member {
  readonly p: number;
  readonly member: string;
  readonly epoch: number;
}

/** Members that `isWanted` refuses are left out of the page, which is then shorter than `limit`. */
export async function readPage(
  { redis, read, partitions }: ProcessIo,
  keyOf: (p: number) => string,
  { limit, cursor, newestEpoch }: PageQuery,
  isWanted: (record: ProcessRecord) => boolean,
): Promise<Page<ProcessRecord>> {
  const after = parseCursor(cursor);
  const top = Math.min(after?.epoch ?? Infinity, newestEpoch ?? Infinity);
  const membersOf = async (p: number): Promise<Member[]> => {
    const flat = await redis.reads.zrange(
      keyOf(p),
      top === Infinity ? "+inf" : top,
      "-inf",
      "BYSCORE",
      "REV",
      "LIMIT",
      0,
      limit + 2, // one more to see whether more follow, one for the cursor's own
      "WITHSCORES",
    );
    const members: Member[] = [];
    for (let i = 0; i + 1 < flat.length; i += 2) {
      members.push({ p, member: flat[i]!, epoch: Number(flat[i + 1]) });
    }
    return members;
  };
  const found = await Promise.all(Array.from({ length: partitions }, (_, p) => membersOf(p)));
  const members = found
    .flat()
    .sort((a, b) => b.epoch - a.epoch || compare(a.member, b.member))
    .filter(
      ({ epoch, member }) =>
        after === null || epoch < after.epoch || (epoch === after.epoch && member > after.member),
    );
  const chosen = members.slice(0, limit);
  const last = chosen.at(-1);
  const snapshots = await Promise.all(
    chosen.map(({ p, member }) => read(parseMember(p, member), { withResult: false })),
  );
  return {
    items: snapshots
      .map(({ record }) => record)
      .filter((record) => record !== null && isWanted(record)) as ProcessRecord[],
    next: members.length > chosen.length && last !== undefined ? `${last.epoch}.${last.member}` : null,
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
