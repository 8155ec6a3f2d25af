/**
 * What became of copies, on its way to the store. Where the store is away an observation waits here, up to a bound;
 * beyond it only its count does: nothing that was copied is missing from the coverage sum. A write without an answer
 * may have been made; then the copy is counted twice, on both sides of the sum.
 */
import type { Differences, Observation } from "@sticky-proxy/core/mirror";
import { StoreUnavailable } from "@sticky-proxy/core/process";

export interface Observations {
  /** Written now, or by a later flush. @throws what is not the store's absence */
  note(observation: Observation): Promise<void>;
  /** Written by the next flush, summed with others like it. */
  sum(observation: Observation): void;
  /** @throws StoreUnavailable; what was not written stays */
  flush(): Promise<void>;
}

/** Observations kept with their difference records. */
const maxKept = 200;

export function createObservations({ observe }: Pick<Differences, "observe">): Observations {
  let kept: Observation[] = [];
  /** By service, route, outcome and hour. */
  const sums = new Map<string, Observation>();

  function sum(observation: Observation): void {
    const { service, route, outcome, window, count } = observation;
    const name = JSON.stringify([service, route, outcome, window]);
    const known = sums.get(name);
    sums.set(name, { ...observation, difference: null, count: (known?.count ?? 0) + count });
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
