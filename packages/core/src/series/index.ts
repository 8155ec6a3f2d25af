// Time series of counters: rings of buckets, and what charts show of them.
export { bucketStart, ranges, rings, windowOf, type Range } from "./rings.ts";
export {
  allServices,
  isPeak,
  latencyBoundsMs,
  type Bucket,
  type Changes,
  type SeriesStore,
} from "./counters.ts";
export { seriesNames, seriesOf } from "./view.ts";
