/** Sums over the hourly counters: groups of differences, and coverage by route. */
import {
  type CoverageRow,
  type DifferenceClass,
  type DifferenceGroup,
  type Differences,
  coverageOf,
  coverageWindow,
} from "@sticky-proxy/core/mirror";
import { separator } from "./counters.ts";
import { allPartitions, asStore, mirrorKeepMs, type MirrorIo } from "./io.ts";
import { mirrorTime } from "./records.ts";

/** @throws StoreUnavailable from every method */
export function createReports({
  reads,
  keys,
  partitions,
}: MirrorIo): Pick<Differences, "groups" | "coverage"> {
  async function sumHashes(
    since: number | null,
    keyOf: (partition: number, window: number) => string,
  ): Promise<Map<string, number>> {
    const now = await mirrorTime({ reads });
    const first = coverageWindow(Math.max(since ?? 0, now - mirrorKeepMs));
    const sums = new Map<string, number>();
    // One hour ahead: the window comes from a node's idea of the store's clock.
    for (let window = first; window <= coverageWindow(now) + 1; window++) {
      const hashes = await asStore(
        Promise.all(allPartitions(partitions).map((partition) => reads.hgetall(keyOf(partition, window)))),
      );
      for (const hash of hashes) {
        for (const [name, count] of Object.entries(hash))
          sums.set(name, (sums.get(name) ?? 0) + Number(count));
      }
    }
    return sums;
  }

  return {
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
}
