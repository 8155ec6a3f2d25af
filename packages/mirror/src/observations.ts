/**
 * Outcomes of copies that are not in the store yet. While the store is unavailable observations are buffered, up to a limit;
 * above it only their counts are, so no copy is missing from the coverage sum. A write whose reply was lost
 * may have taken effect; then the copy is counted twice, on both sides of the sum.
 */
import { randomBytes } from "node:crypto";
import type { Differences, Observation } from "@sticky-proxy/core/mirror";
import { StoreUnavailable } from "@sticky-proxy/core/process";

export interface Observations {
  /** Writes it now, or with a later flush. @throws any error but StoreUnavailable */
  note(observation: Observation): Promise<void>;
  /** Counts it; the next flush writes the sums. */
  sum(observation: Observation): void;
  /** @throws StoreUnavailable; the unwritten rest stays */
  flush(): Promise<void>;
}

/** Largest number of buffered observations with their difference records. */
const maxKept = 200;

/** In the form of an order key, and nobody's. */
function newPlace(): string {
  return randomBytes(16).toString("base64url");
}

export function createObservations({ observe }: Pick<Differences, "observe">): Observations {
  let kept: Observation[] = [];
  /** Calls under way, counted in the store or about to be. */
  const unsure = new Set<Observation>();
  /** By service, route, outcome and hour. */
  const sums = new Map<string, Observation>();

  function sum(observation: Observation): void {
    const { service, route, outcome, window, count, isCounted } = observation;
    const name = JSON.stringify([service, route, outcome, window, isCounted]);
    const known = sums.get(name);
    sums.set(name, { ...observation, difference: null, count: (known?.count ?? 0) + count });
  }

  /**
   * Asked for at once and together: what is under way is eligible before its outcome can be written. Each row has a place
   * of its own, so that one whose answer was lost is counted once however often it is written.
   */
  async function countEligible(): Promise<void> {
    for (const [name, row] of sums) {
      if (row.outcome !== null) continue;
      sums.delete(name);
      unsure.add({ ...row, orderKey: newPlace() });
    }
    const writes = [...unsure].map(async (row) => {
      await observe(row);
      unsure.delete(row);
    });
    await Promise.all(writes);
  }

  return {
    sum,
    async note(observation) {
      try {
        await observe(observation);
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        if (kept.length < maxKept) kept.push(observation);
        else sum(observation);
      }
    },
    async flush() {
      await countEligible();
      const waiting = kept;
      kept = [];
      try {
        for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
          await observe(next);
          waiting.shift();
        }
        for (const [name, row] of sums) {
          sums.delete(name);
          try {
            await observe(row);
          } catch (error) {
            sum(row);
            throw error;
          }
        }
      } finally {
        kept = [...waiting, ...kept];
      }
    },
  };
}
