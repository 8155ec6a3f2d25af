/** Difference records: read newest first over all partitions, each under the instant of its partition's clock. */
import type { Acknowledgement, Difference, NewDifference } from "@sticky-proxy/core/mirror";
import type { Sealing } from "../sealing/sealing.ts";
import { allPartitions, asStore, type MirrorIo } from "./io.ts";

export interface RecordPlace {
  readonly partition: number;
  /** Microseconds of the store's clock, unique in the partition. */
  readonly stamp: number;
}

export interface Records {
  /** The newest records behind `cursor` (null: of all), not older than `since` (epoch ms), over all partitions, in order. */
  newest(cursor: RecordPlace | null, limit: number, since: number | null): Promise<RecordPlace[]>;
  /** One for each place, in order; null: the record has gone or is past its time. */
  load(places: readonly RecordPlace[]): Promise<(Difference | null)[]>;
}

/** The server's clock, epoch ms. @throws StoreUnavailable */
export async function mirrorTime({ reads }: Pick<MirrorIo, "reads">): Promise<number> {
  const [seconds, micros] = await asStore(reads.time());
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

/** @throws StoreUnavailable from every method */
export function createRecords({ reads, keys, partitions }: MirrorIo, sealing: Sealing): Records {
  async function newest(
    cursor: RecordPlace | null,
    limit: number,
    since: number | null,
  ): Promise<RecordPlace[]> {
    const most = cursor === null ? "+inf" : String(cursor.stamp);
    const least = since === null ? "-inf" : String(Math.floor(since) * 1000);
    const lists = await asStore(
      Promise.all(
        allPartitions(partitions).map(async (partition) => {
          const members = await reads.zrevrangebyscore(
            keys.byTime(partition),
            most,
            least,
            "LIMIT",
            0,
            limit + 1,
          );
          return members.map((member): RecordPlace => ({ partition, stamp: Number(member) }));
        }),
      ),
    );
    return lists
      .flat()
      .filter((found) => cursor === null || isOlder(found, cursor))
      .sort((a, b) => (isOlder(a, b) ? 1 : -1))
      .slice(0, limit);
  }

  async function load(found: readonly RecordPlace[]): Promise<(Difference | null)[]> {
    const [now, pairs, ends] = await asStore(
      Promise.all([
        mirrorTime({ reads }),
        Promise.all(
          found.map(({ partition, stamp }) =>
            reads.hmget(keys.records(partition), `${stamp}`, `a:${stamp}`, `c:${stamp}`),
          ),
        ),
        Promise.all(found.map(({ partition, stamp }) => reads.zscore(keys.byEnd(partition), `${stamp}`))),
      ]),
    );
    return found.map((one, i) => {
      const [record, acknowledged, links] = pairs[i]!;
      const [previous, link] = links?.split(" ") ?? [];
      // Past its time counts as gone, also before somebody tidied up.
      if (record == null || Number(ends[i] ?? 0) <= now) return null;
      return {
        ...(JSON.parse(sealing.openText(addressOf(one.partition), record)) as NewDifference),
        id: idOf(one),
        at: Math.floor(one.stamp / 1000),
        ...(previous === undefined || link === undefined ? {} : { chain: { previous, link } }),
        acknowledged: acknowledged == null ? null : (JSON.parse(acknowledged) as Acknowledgement),
      };
    });
  }

  return { newest, load };
}

/** As the script stores it. Its instant is minted there, so the partition is all it is bound to. */
export function sealedRecord(sealing: Sealing, partition: number, difference: NewDifference): string {
  return sealing.sealText(addressOf(partition), JSON.stringify(difference));
}

function addressOf(partition: number): string {
  return `difference;${partition}`;
}

/** Newest first; at one instant, the lower partition first. */
function isOlder(a: RecordPlace, b: RecordPlace): boolean {
  return a.stamp < b.stamp || (a.stamp === b.stamp && a.partition > b.partition);
}

export function idOf(found: RecordPlace): string {
  return `${found.partition}.${found.stamp}`;
}

/** null: not an id of a record. */
export function parseId(id: string): RecordPlace | null {
  const parts = /^([0-9]{1,4})\.([0-9]{1,16})$/.exec(id);
  return parts === null ? null : { partition: Number(parts[1]), stamp: Number(parts[2]) };
}
