/** Rings of buckets: how long each keeps its buckets, and which one answers for a range of time. */

export interface Ring {
  /** Length of a bucket. */
  readonly stepMs: number;
  /** A bucket is kept for so long. */
  readonly spanMs: number;
}

const minute = 60_000;
const hour = 60 * minute;

/** Finest first; each step divides the next. */
export const rings = [
  { stepMs: 10_000, spanMs: 30 * minute },
  { stepMs: minute, spanMs: 6 * hour },
  { stepMs: 10 * minute, spanMs: 192 * hour },
] as const satisfies readonly Ring[];

/** What charts can show: the ring, and how many of its buckets are one point. At most 90 points, as many as a chart can show apart. */
const shapes = {
  "15m": { spanMs: 15 * minute, ring: rings[0], group: 1 },
  "1h": { spanMs: hour, ring: rings[1], group: 1 },
  "6h": { spanMs: 6 * hour, ring: rings[1], group: 5 },
  "24h": { spanMs: 24 * hour, ring: rings[2], group: 2 },
  "7d": { spanMs: 168 * hour, ring: rings[2], group: 12 },
} as const;

export type Range = keyof typeof shapes;
export const ranges = Object.keys(shapes) as readonly Range[];

/** Nodes write a bucket within this time after its end. */
const settledMs = 2000;

/** Start of the bucket that `at` falls into, epoch ms. */
export function bucketStart(at: number, stepMs: number): number {
  return Math.floor(at / stepMs) * stepMs;
}

export interface Window {
  readonly ring: Ring;
  /** Of one point, ms. */
  readonly stepMs: number;
  /** Start of the first point, epoch ms. */
  readonly from: number;
  /** Buckets of each point, oldest first. */
  readonly points: readonly (readonly number[])[];
  /** How much of the last point's step has passed and is written, ms. */
  readonly lastMs: number;
}

/** The points of a range that ends with what every node has written by `now`. */
export function windowOf(range: Range, now: number): Window {
  const { spanMs, ring, group } = shapes[range];
  const stepMs = ring.stepMs * group;
  const end = bucketStart(now - settledMs, rings[0].stepMs);
  const last = bucketStart(end - 1, stepMs);
  const from = last + stepMs - spanMs;
  const points = Array.from({ length: spanMs / stepMs }, (_, i) =>
    Array.from({ length: group }, (__, j) => from + i * stepMs + j * ring.stepMs),
  );
  return { ring, stepMs, from, points, lastMs: end - last };
}
