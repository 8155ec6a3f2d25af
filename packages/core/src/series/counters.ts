/**
 * Counters of a bucket: what nodes add up by service. A name with `g.` is a gauge of the whole store, whose greatest value
 * in the bucket stays; all others are sums.
 */

/** Upper bounds of latency buckets; the last bucket has none. Shared with the metrics, whose counts these are. */
export const latencyBoundsMs = [
  5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000,
] as const;

/** Counter → value. */
export type Bucket = ReadonlyMap<string, number>;
/** Service → counters; {@link allServices} holds what they come to. */
export type Changes = ReadonlyMap<string, Bucket>;

/** In place of a service's name: every service together. */
export const allServices = "";

export function isPeak(counter: string): boolean {
  return counter.startsWith("g.");
}

/** Port of the rings. */
export interface SeriesStore {
  /**
   * Adds to the buckets of every ring that hold the finest ring's bucket `start`. A writer adds to it once: the same call
   * again, after an answer that was lost, changes nothing. @throws StoreUnavailable
   */
  add(writer: string, start: number, changes: Changes): Promise<void>;
  /** By start; null: nobody has written the bucket. Of a service that did nothing: empty. @throws StoreUnavailable */
  read(stepMs: number, starts: readonly number[], service: string): Promise<readonly (Bucket | null)[]>;
}
