/** Pages over one sorted set per partition, joined newest first: the epoch orders, the member breaks ties. */
import { InvalidCursor, type Page, type ProcessRecord } from "@sticky-proxy/core/process";
import type { ProcessIo } from "./io.ts";
import { parseMember } from "./place.ts";

export interface PageQuery {
  readonly limit: number;
  /** From the page before; null: the first page. */
  readonly cursor: string | null;
  /** Nothing newer than this epoch, µs; null: no limit. */
  readonly newestEpoch: number | null;
  /** Nothing older than this epoch, µs; absent or null: no limit. */
  readonly oldestEpoch?: number | null;
}

interface Member {
  readonly p: number;
  readonly member: string;
  readonly epoch: number;
}

/**
 * Members that `isWanted` refuses are left out of the page, which is then shorter than `limit`. Of several sets per
 * partition the keys are read in the order given; a member that stands in two of them counts once.
 */
export async function readPage(
  { redis, read, partitions }: ProcessIo,
  keysOf: (p: number) => readonly string[],
  { limit, cursor, newestEpoch, oldestEpoch = null }: PageQuery,
  isWanted: (record: ProcessRecord) => boolean,
): Promise<Page<ProcessRecord>> {
  const after = parseCursor(cursor);
  const top = Math.min(after?.epoch ?? Infinity, newestEpoch ?? Infinity);
  const membersOf = async (p: number, key: string): Promise<Member[]> => {
    const flat = await redis.reads.zrange(
      key,
      top === Infinity ? "+inf" : top,
      oldestEpoch ?? "-inf",
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
  const every = Array.from({ length: partitions }, (_, p) => p);
  const found = await Promise.all(every.flatMap((p) => keysOf(p).map((key) => membersOf(p, key))));
  // A process that changed its list between two reads was seen in both.
  const once = new Map(found.flat().map((one) => [`${one.p}:${one.member}`, one]));
  const members = [...once.values()]
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
  const parts = /^([0-9]{1,16})\.(.+)$/s.exec(cursor);
  const epoch = Number(parts?.[1]);
  if (parts === null || !Number.isSafeInteger(epoch)) throw new InvalidCursor();
  return { epoch, member: parts[2]! };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
