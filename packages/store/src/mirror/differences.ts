/** The port to difference records and coverage sums on Redis. */
import {
  answersQuery,
  bounded,
  type Difference,
  type Differences,
  orderKeyPartition,
} from "@sticky-proxy/core/mirror";
import { InvalidCursor } from "@sticky-proxy/core/process";
import { newCall, runScript } from "../redis/scripts.ts";
import { writeAcknowledgement } from "./acknowledge.ts";
import { counterName, groupNames } from "./counters.ts";
import { asStore, mirrorKeepMs, type MirrorIo, type SealedStoreDeps } from "./io.ts";
import { createMirrorKeys } from "./keys.ts";
import { createRecords, idOf, mirrorTime, parseId } from "./records.ts";
import { createReports } from "./reports.ts";
import { recordArgs, settleKeys, settleScript } from "./settle.ts";

/** A page looks at no more records than this; then it ends early, with a cursor. */
const maxScanned = 2000;

/** @throws StoreUnavailable from every method. */
export function createDifferences(deps: SealedStoreDeps): Differences {
  const { writes, partitions } = deps;
  const keys = createMirrorKeys(deps.keys);
  const io: MirrorIo = { ...deps, keys };
  const records = createRecords(io, deps.sealing);

  return {
    async observe(observation) {
      const { service, route, orderKey, outcome, count, window, limits } = observation;
      const partition = orderKeyPartition(orderKey, partitions);
      const difference = observation.difference === null ? null : bounded(observation.difference);
      const groups = groupNames(service, route, difference);
      await asStore(
        runScript(writes, settleScript, {
          keys: settleKeys(keys, partition, window, orderKey),
          args: {
            entryId: "-",
            call: newCall(),
            fence: "",
            counter: counterName(service, route, ""),
            outcome: outcome ?? "",
            count,
            eligible: observation.isCounted ? 0 : count,
            diverged: 0,
            endedAt: "",
            ...recordArgs(deps.sealing, partition, difference),
            groups: JSON.stringify(groups),
            ttlMs: limits.ttlMs,
            max: limits.maxDifferences,
            keepMs: mirrorKeepMs,
          },
        }),
      );
    },

    async list(query) {
      const items: Difference[] = [];
      let cursor = query.cursor === null ? null : parseId(query.cursor);
      if (cursor === null && query.cursor !== null) throw new InvalidCursor();
      let scanned = 0;
      while (scanned < maxScanned) {
        const batch = await records.newest(cursor, Math.max(query.limit + 1, 50), query.since);
        for (const [i, difference] of (await records.load(batch)).entries()) {
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
      return found === null ? null : (await records.load([found]))[0]!;
    },

    async acknowledge(id, by, note) {
      const found = parseId(id);
      if (found === null) return null;
      const at = await mirrorTime(io);
      const isThere = await writeAcknowledgement(io, found, { by, note: note.slice(0, 1000), at });
      return isThere ? (await records.load([found]))[0]! : null;
    },

    ...createReports(io),
  };
}
