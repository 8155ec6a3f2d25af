/**
 * What has ended is told to nobody before it is confirmed: a result that only the primary has may be forgotten with it,
 * and the next answer would be another. So every read of an ended process, by whomever, asks the gate first; who waits goes
 * on waiting where the gate does not answer.
 */
import { isTerminal, RecordDiffers, StoreUnavailable, type ProcessRecord } from "@sticky-proxy/core/process";
import type { DurabilityGate } from "../cluster/durability.ts";
import type { RedisProcessStore } from "./process-store.ts";

/** So often it is read again when it changes between the read and the gate's look. */
const maxReads = 5;

/** `gate` null: the store as it is. */
export function confirmedReads(
  store: RedisProcessStore,
  gate: Pick<DurabilityGate, "confirm"> | null,
): RedisProcessStore {
  if (gate === null) return store;
  const { confirm } = gate;

  async function confirmed<T extends { readonly record: ProcessRecord | null }>(
    read: () => Promise<T>,
  ): Promise<T> {
    for (let reads = 1; ; reads += 1) {
      const found = await read();
      if (found.record === null || !isTerminal(found.record.status)) return found;
      try {
        await confirm(found.record);
        return found;
      } catch (error) {
        if (error instanceof RecordDiffers && reads < maxReads) continue;
        throw unsettled(error);
      }
    }
  }
  return {
    ...store,
    get unacknowledgedCreates() {
      return store.unacknowledgedCreates;
    },
    read: (place, options) => confirmed(() => store.read(place, options)),
    async create(draft, options) {
      const answer = await store.create(draft, options);
      if (answer.kind !== "exists" || !isTerminal(answer.record.status)) return answer;
      const { partition, scope } = draft;
      let first: typeof answer | null = answer;
      const found = await confirmed(async () => {
        const known = first;
        first = null;
        return known ?? store.read({ partition, scope, epoch: null }, options);
      });
      if (found.record === null) throw new StoreUnavailable("the scope's process has gone meanwhile");
      return { ...found, kind: "exists", record: found.record };
    },
    async claimDue(options) {
      const { now, due } = await store.claimDue(options);
      const isTold = await Promise.all(
        due.map(async (record) => !isTerminal(record.status) || confirm(record).then(yes, no)),
      );
      return { now, due: due.filter((_, i) => isTold[i]) }; // the others ring again
    },
  };
}

const yes = (): boolean => true;
const no = (): boolean => false;

/** An ended process stands there, so nobody may be told that nothing ran. */
function unsettled(error: unknown): unknown {
  if (!(error instanceof StoreUnavailable)) return error;
  error.isUnsettled = true;
  return error;
}
