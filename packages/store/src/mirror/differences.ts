/** The port to difference records and coverage sums on Redis. */
import {
  type Acknowledgement,
  type CoverageRow,
  type Difference,
  type DifferenceClass,
  type DifferenceGroup,
  type Differences,
  type NewDifference,
  answersQuery,
  bounded,
  coverageOf,
  coverageWindow,
  groupPaths,
  orderKeyPartition,
} from "@sticky-proxy/core/mirror";
import { createMirrorKeys } from "./mirror-keys.ts";
import {
  type MirrorStoreDeps,
  all,
  asStore,
  counterName,
  mirrorKeepMs,
  separator,
  settleKeys,
} from "./mirror-outbox.ts";
import { acknowledgeScript, settleScript } from "./mirror-scripts.ts";
import { newCall, replyText, runScript } from "../redis/scripts.ts";

/** A page looks at no more records than this; then it ends early, with a cursor. */
const maxScanned = 2000;

interface Found {
  readonly partition: number;
  /** Microseconds of the store's clock, unique in the partition. */
  readonly stamp: number;
}

/** @throws StoreUnavailable from every method. */
export function createDifferences(deps: MirrorStoreDeps): Differences {
  const { writes, reads, partitions } = deps;
  const keys = createMirrorKeys(deps.keys);

  return {
    async observe(observation) {
      const { service, route, orderKey, outcome, count, window, limits } = observation;
      const partition = orderKeyPartition(orderKey, partitions);
      const difference = observation.difference === null ? null : bounded(observation.difference);
      const groups =
        difference === null
          ? []
          : groupPaths(difference).map((path) =>
              [counterName(service, route, difference.class), path].join(separator),
            );
      await asStore(
        runScript(writes, settleScript, {
          keys: settleKeys(keys, partition, window, orderKey),
          args: {
            entryId: "-",
            call: newCall(),
            fence: "",
            counter: counterName(service, route, ""),
            outcome,
            count,
            diverged: 0,
            endedAt: "",
            record: difference === null ? "" : JSON.stringify(difference),
            groups: JSON.stringify(groups),
            ttlMs: limits.ttlMs,
            most: limits.maxDifferences,
            keepMs: mirrorKeepMs,
          },
        }),
      );
    },

    async list(query) {
      const items: Difference[] = [];
      let cursor = query.cursor === null ? null : parseId(query.cursor);
      let scanned = 0;
      while (scanned < maxScanned) {
        const batch = await newest(cursor, Math.max(query.limit + 1, 50), query.since);
        for (const [i, difference] of (await load(batch)).entries()) {
          scanned++;
          const found = batch[i]!;
          if (difference !== null && answersQuery(difference, query)) {
            if (items.length === query.limit) return { items, next: idOf(cursor!) };
            items.push(difference);
          }
          cursor = found;
        }
        if (batch.length === 0) return { items, next: null };
      }
      return { items, next: idOf(cursor!) };
    },

    async show(id) {
      const found = parseId(id);
      return found === null ? null : (await load([found]))[0]!;
    },

    async acknowledge(id, by, note) {
      const found = parseId(id);
      if (found === null) return null;
      const acknowledgement: Acknowledgement = { by, note: note.slice(0, 1000), at: await serverTime() };
      const [word] = await asStore(
        runScript(writes, acknowledgeScript, {
          keys: { records: keys.records(found.partition) },
          args: { member: String(found.stamp), call: newCall(), note: JSON.stringify(acknowledgement) },
        }),
      );
      return replyText(word) === "gone" ? null : (await load([found]))[0]!;
    },

    async groups({ since }) {
      const sums = await sumHashes(since, (p, window) => keys.sums(p, window));
      const groups: DifferenceGroup[] = [];
      for (const [name, count] of sums) {
        const [service, route, kind, path] = name.split(separator) as [
          string,
          string,
          DifferenceClass,
          string,
        ];
        groups.push({ service, route, class: kind, path, count });
      }
      return groups.sort((a, b) => b.count - a.count);
    },

    async coverage({ since, service }) {
      const rows = new Map<string, { service: string; route: string; counters: [string, number][] }>();
      for (const [name, count] of await sumHashes(since, (p, window) => keys.counters(p, window))) {
        const [of, route, counter] = name.split(separator) as [string, string, string];
        if (service !== null && of !== service) continue;
        const row = rows.get(of + separator + route) ?? { service: of, route, counters: [] };
        row.counters.push([counter, count]);
        rows.set(of + separator + route, row);
      }
      return [...rows.values()].map((row): CoverageRow => ({
        service: row.service,
        route: row.route,
        coverage: coverageOf(row.counters),
      }));
    },
  };

  /** The newest records behind `cursor`, over all partitions, in order. */
  async function newest(cursor: Found | null, limit: number, since: number | null): Promise<Found[]> {
    const most = cursor === null ? "+inf" : String(cursor.stamp);
    const least = since === null ? "-inf" : String(Math.floor(since) * 1000);
    const lists = await asStore(
      Promise.all(
        all(partitions).map(async (partition) => {
          const members = await reads.zrevrangebyscore(
            keys.byTime(partition),
            most,
            least,
            "LIMIT",
            0,
            limit + 1,
          );
          return members.map((member): Found => ({ partition, stamp: Number(member) }));
        }),
      ),
    );
    return lists
      .flat()
      .filter((found) => cursor === null || isOlder(found, cursor))
      .sort((a, b) => (isOlder(a, b) ? 1 : -1))
      .slice(0, limit);
  }

  async function load(found: readonly Found[]): Promise<(Difference | null)[]> {
    const [now, pairs, ends] = await asStore(
      Promise.all([
        serverTime(),
        Promise.all(
          found.map(({ partition, stamp }) => reads.hmget(keys.records(partition), `${stamp}`, `a:${stamp}`)),
        ),
        Promise.all(found.map(({ partition, stamp }) => reads.zscore(keys.byEnd(partition), `${stamp}`))),
      ]),
    );
    return found.map((one, i) => {
      const [record, acknowledged] = pairs[i]!;
      // Past its time counts as gone, also before somebody tidied up.
      if (record == null || Number(ends[i] ?? 0) <= now) return null;
      return {
        ...(JSON.parse(record) as NewDifference),
        id: idOf(one),
        at: Math.floor(one.stamp / 1000),
        acknowledged: acknowledged == null ? null : (JSON.parse(acknowledged) as Acknowledgement),
      };
    });
  }

  async function serverTime(): Promise<number> {
    const [seconds, micros] = await asStore(reads.time());
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  async function sumHashes(
    since: number | null,
    keyOf: (partition: number, window: number) => string,
  ): Promise<Map<string, number>> {
    const now = await serverTime();
    const first = coverageWindow(Math.max(since ?? 0, now - mirrorKeepMs));
    const sums = new Map<string, number>();
    // One hour ahead: the window comes from a node's idea of the store's clock.
    for (let window = first; window <= coverageWindow(now) + 1; window++) {
      const hashes = await asStore(
        Promise.all(all(partitions).map((partition) => reads.hgetall(keyOf(partition, window)))),
      );
      for (const hash of hashes) {
        for (const [name, count] of Object.entries(hash))
          sums.set(name, (sums.get(name) ?? 0) + Number(count));
      }
    }
    return sums;
  }
}

/** Newest first; at one instant, the lower partition first. */
function isOlder(a: Found, b: Found): boolean {
  return a.stamp < b.stamp || (a.stamp === b.stamp && a.partition > b.partition);
}

function idOf(found: Found): string {
  return `${found.partition}.${found.stamp}`;
}

function parseId(id: string): Found | null {
  const parts = /^([0-9]{1,4})\.([0-9]{1,16})$/.exec(id);
  return parts === null ? null : { partition: Number(parts[1]), stamp: Number(parts[2]) };
}
