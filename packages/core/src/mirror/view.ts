/** The mirror as operators see it, one form for the command line and the admin API: times as text, reasons named. Pure. */
import { coverageRatio, pending } from "./coverage.ts";
import type { Difference } from "./difference.ts";
import type { CoverageRow } from "./differences.ts";
import type { Gap, ParkedKey } from "./outbox.ts";

export function differenceView({ at, acknowledged, ...difference }: Difference): object {
  const acknowledgedView =
    acknowledged === null ? null : { ...acknowledged, at: new Date(acknowledged.at).toISOString() };
  return { ...difference, time: new Date(at).toISOString(), acknowledged: acknowledgedView };
}

/** With the sum: eligible = matched + masked + different + race + failed + all skipped + pending. */
export function coverageView({ service, route, coverage }: CoverageRow): object {
  return {
    service,
    route,
    ...coverage,
    skipped: Object.fromEntries(coverage.skipped),
    pending: pending(coverage),
    ratio: coverageRatio(coverage),
  };
}

export function gapView({ from, to, ...gap }: Gap): object {
  return { ...gap, from: new Date(from).toISOString(), to: new Date(to).toISOString() };
}

export function parkedView(key: ParkedKey): object {
  const { partition, orderKey, parkedAt, nextAt, ageFrom: _, ...rest } = key;
  return {
    key: parkedKeyName({ partition, orderKey }),
    ...rest,
    parkedTime: new Date(parkedAt).toISOString(),
    nextTime: nextAt === null ? null : new Date(nextAt).toISOString(),
  };
}

/** "<partition>.<order key>": what operators name a key by. */
export function parkedKeyName({ partition, orderKey }: Pick<ParkedKey, "partition" | "orderKey">): string {
  return `${partition}.${orderKey}`;
}

/** null: no such name. */
export function parseParkedKey(
  name: string,
  partitions: number,
): Pick<ParkedKey, "partition" | "orderKey"> | null {
  const parts = /^([0-9]{1,4})\.([A-Za-z0-9_-]{22})$/.exec(name);
  const partition = Number(parts?.[1]);
  return parts === null || partition >= partitions ? null : { partition, orderKey: parts[2]! };
}
