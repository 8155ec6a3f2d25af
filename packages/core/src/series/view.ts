/** From buckets of counters to what charts show. Pure. */
import { isPeak, latencyBoundsMs, type Bucket } from "./counters.ts";

type Read = (bucket: Bucket) => number | null;

const of =
  (...names: readonly string[]): Read =>
  (bucket) =>
    names.reduce((sum, name) => sum + (bucket.get(name) ?? 0), 0);

/** null: no node that knows the gauge has written. */
const gauge =
  (name: string): Read =>
  (bucket) =>
    bucket.get(name) ?? null;

const ofClass = (digit: number): string => `http:${digit}xx`;
const requests = of(...[1, 2, 3, 4, 5].map(ofClass));
const run = of("v.start");
const saved = of("v.replay", "v.join");
const fromCache = of("c.HIT", "c.STALE", "c.REVALIDATED");
const refused = of("v.conflict", "v.mismatch");

/** Requests are counted at their end and verdicts before it: what is left can be less than nothing for one bucket. */
const plain: Read = (bucket) =>
  Math.max(
    0,
    [run, saved, fromCache, refused].reduce((left, part) => left - (part(bucket) ?? 0), requests(bucket)!),
  );

/**
 * Counts are those of the point; times in ms, by linear interpolation within a bucket of the histogram, null without a
 * request; gauges are the greatest value of the point.
 */
const definitions = {
  requests,
  "requests.run": run,
  "requests.saved": saved,
  "requests.cache": fromCache,
  "requests.plain": plain,
  "requests.refused": refused,
  /** Requests that have an identity. */
  keyed: of("v.start", "v.replay", "v.join", "v.conflict", "v.mismatch"),
  "errors.client": of(ofClass(4)),
  "errors.server": of(ofClass(5)),
  "latency.p50": quantile("t", 0.5),
  "latency.p95": quantile("t", 0.95),
  "latency.p99": quantile("t", 0.99),
  attempts: of("a:ok", "a:4xx", "a:5xx", "a:error"),
  "attempts.failed": of("a:5xx", "a:error"),
  "service.p50": quantile("s", 0.5),
  "service.p95": quantile("s", 0.95),
  "service.p99": quantile("s", 0.99),
  "saved.replayed": of("v.replay"),
  "saved.joined": of("v.join"),
  "cache.requests": of("c.HIT", "c.STALE", "c.REVALIDATED", "c.MISS", "c.BYPASS"),
  "cache.hits": fromCache,
  "callbacks.accepted": of("r.accepted"),
  "callbacks.refused": of("r.unauthorized", "r.too_large"),
  "processes.started": of("p.started"),
  "processes.completed": of("p.completed"),
  "processes.failed": of("p.failed"),
  "processes.cancelled": of("p.cancelled"),
  "processes.running": gauge("g.running"),
  "processes.pending": gauge("g.pending"),
  deadLetters: gauge("g.dead"),
  "mirror.alike": of("m.matched", "m.masked"),
  "mirror.different": of("m.different"),
  "mirror.failed": of("m.failed"),
  "mirror.lag": gauge("g.lag"),
  "mirror.waiting": gauge("g.waiting"),
} as const satisfies Readonly<Record<string, Read>>;

export type SeriesName = keyof typeof definitions;
export const seriesNames = Object.keys(definitions) as readonly SeriesName[];

export interface SeriesView {
  /** A value for each point; null: no data. */
  readonly series: Readonly<Partial<Record<SeriesName, readonly (number | null)[]>>>;
  /** The same over all points together. */
  readonly totals: Readonly<Partial<Record<SeriesName, number | null>>>;
}

/** @param points the buckets of each point, as the store has read them */
export function seriesOf(
  points: readonly (readonly (Bucket | null)[])[],
  names: readonly SeriesName[] = seriesNames,
): SeriesView {
  const merged = points.map(merge);
  const total = merge(merged);
  const read = (bucket: Bucket | null, name: SeriesName): number | null =>
    bucket === null ? null : definitions[name](bucket);
  return {
    series: Object.fromEntries(names.map((name) => [name, merged.map((bucket) => read(bucket, name))])),
    totals: Object.fromEntries(names.map((name) => [name, read(total, name)])),
  };
}

/** null: none of them was written. */
function merge(buckets: readonly (Bucket | null)[]): Bucket | null {
  const written = buckets.filter((bucket) => bucket !== null);
  if (written.length === 0) return null;
  const sum = new Map<string, number>();
  for (const bucket of written)
    for (const [name, value] of bucket) {
      const before = sum.get(name) ?? 0;
      sum.set(name, isPeak(name) ? Math.max(before, value) : before + value);
    }
  return sum;
}

function quantile(kind: "t" | "s", share: number): Read {
  return (bucket) => {
    const counts = Array.from(
      { length: latencyBoundsMs.length + 1 },
      (_, i) => bucket.get(`${kind}${i}`) ?? 0,
    );
    const all = counts.reduce((sum, count) => sum + count, 0);
    if (all === 0) return null;
    let left = share * all;
    for (const [i, count] of counts.entries()) {
      const high = latencyBoundsMs[i];
      if (high === undefined) break;
      if (left <= count && count > 0) {
        const low = latencyBoundsMs[i - 1] ?? 0;
        return Math.round((low + ((high - low) * left) / count) * 10) / 10;
      }
      left -= count;
    }
    return latencyBoundsMs.at(-1)!; // beyond the last bound nobody knows how far
  };
}
