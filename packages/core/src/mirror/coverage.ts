/**
 * The coverage invariant: per route and window
 *
 *     eligible = matched + masked + different + race + failed + skipped{reason} + pending
 *
 * Eligible is counted in the write that makes an execution pending, an outcome in the write that settles it, so the
 * sum holds at every instant. "No differences" is never shown without it.
 */

export const skipReasons = [
  // The primary's answer says that nothing was done: 4xx, or refused before it ran.
  "not-applicable",
  "never-executed",
  // A later dispatch of the same process counts instead of this one.
  "redispatched",
  "already-mirrored",
  "record-gone",
  // Whether the primary ran is not known; a difference record tells.
  "primary-unknown",
  // Sent, and by choice or by nature not compared.
  "not-sampled",
  "asynchronous",
  // Sent; the answer has no end, so there is no body to compare.
  "streamed",
  // Sent without its condition or range, which alone explains the primary's answer (206, 304, 412, 416).
  "conditional",
  // Not sent: a coverage gap, recorded. The intent could not be written, or the outbox is at its bound.
  "gap",
  "lag",
  // A plain call whose copy could not be noted: the store did not answer, or too much was in memory.
  "store-away",
  "memory",
  // Shed by the memory queue of shadow and dual-read.
  "shed",
  // Larger than a copy may be.
  "body-too-large",
  // Dropped by an operator's word; the difference record says whose and why.
  "operator",
  // The route or its secondary is not configured any more.
  "unconfigured",
] as const;

export type SkipReason = (typeof skipReasons)[number];

export const outcomes = ["matched", "masked", "different", "race", "failed"] as const;

export type CoverageOutcome = (typeof outcomes)[number] | `skipped:${SkipReason}`;

/** Sums are kept by hours since the epoch; a call belongs to the hour in which it was made, whenever it settles. */
export function coverageWindow(at: number): number {
  return Math.floor(at / 3_600_000);
}

export interface Coverage {
  readonly eligible: number;
  readonly matched: number;
  readonly masked: number;
  readonly different: number;
  readonly race: number;
  readonly failed: number;
  readonly skipped: ReadonlyMap<string, number>;
}

/** From counters named as {@link CoverageOutcome}, and "eligible". */
export function coverageOf(counters: Iterable<readonly [name: string, count: number]>): Coverage {
  const sums = { eligible: 0, matched: 0, masked: 0, different: 0, race: 0, failed: 0 };
  const skipped = new Map<string, number>();
  for (const [name, count] of counters) {
    if (name.startsWith("skipped:")) {
      const reason = name.slice("skipped:".length);
      skipped.set(reason, (skipped.get(reason) ?? 0) + count);
    } else if (Object.hasOwn(sums, name)) sums[name as keyof typeof sums] += count;
  }
  return { ...sums, skipped };
}

export function settled(coverage: Coverage): number {
  let sum = coverage.matched + coverage.masked + coverage.different + coverage.race + coverage.failed;
  for (const count of coverage.skipped.values()) sum += count;
  return sum;
}

/** Not settled yet. Never negative while the invariant holds. */
export function pending(coverage: Coverage): number {
  return coverage.eligible - settled(coverage);
}

/** Share of what could have been compared that was: 0 to 1, null when nothing was eligible. */
export function coverageRatio(coverage: Coverage): number | null {
  const exempt = (["not-applicable", "never-executed", "redispatched", "already-mirrored"] as const).reduce(
    (sum, reason) => sum + (coverage.skipped.get(reason) ?? 0),
    0,
  );
  const comparable = coverage.eligible - exempt;
  if (comparable <= 0) return null;
  return (coverage.matched + coverage.masked + coverage.different) / comparable;
}
