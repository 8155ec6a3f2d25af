/** Outcomes of copies as metrics. */
import type { CoverageOutcome, Lag, NewDifference } from "@sticky-proxy/core/mirror";
import type { Metrics } from "@sticky-proxy/runtime";

type Dropped = Parameters<Metrics["mirrorDropped"]["inc"]>[0]["reason"];

/** Outcomes of copies that the secondary did not receive. */
const dropped: Readonly<Partial<Record<CoverageOutcome, Dropped>>> = {
  "skipped:shed": "queue-full",
  "skipped:lag": "lag",
  "skipped:body-too-large": "too-large",
  "skipped:gap": "store-unavailable",
  "skipped:not-applicable": "not-applicable",
  "skipped:never-executed": "not-applicable",
  "skipped:primary-unknown": "primary-unknown",
};

export function observeMirror(
  metrics: Pick<Metrics, "mirror" | "mirrorDifferences" | "mirrorDropped">,
  service: string,
  outcome: CoverageOutcome,
  difference: Pick<NewDifference, "class"> | null,
): void {
  const result = outcome.startsWith("skipped:") ? "skipped" : outcome;
  metrics.mirror.inc({
    service,
    result: result as Exclude<CoverageOutcome, `skipped:${string}`> | "skipped",
  });
  const reason = dropped[outcome];
  if (reason !== undefined) metrics.mirrorDropped.inc({ service, reason });
  if (difference !== null && difference.class !== "primary-unknown") {
    metrics.mirrorDifferences.inc({ service, class: difference.class });
  }
}

/** Of one copied call; null: not known. In milliseconds. */
export interface Latencies {
  readonly primary: number | null;
  readonly secondary: number;
}

export function observeLatencies(
  metrics: Pick<Metrics, "mirrorLatency">,
  service: string,
  { primary, secondary }: Latencies,
): void {
  if (primary !== null) metrics.mirrorLatency.observe({ service, side: "primary" }, primary / 1000);
  metrics.mirrorLatency.observe({ service, side: "secondary" }, secondary / 1000);
}

/** Exported by the leader only: a cluster-wide gauge that every node exports is N-fold when summed. */
export function exportLag(
  metrics: Pick<Metrics, "mirrorLag" | "mirrorEntries" | "mirrorParked">,
  lag: ReadonlyMap<string, Lag>,
  isLeader: boolean,
): void {
  for (const gauge of [metrics.mirrorLag, metrics.mirrorEntries, metrics.mirrorParked]) gauge.reset();
  if (!isLeader) return;
  for (const [service, { oldestMs, entries, parkedKeys }] of lag) {
    metrics.mirrorLag.set({ service }, (oldestMs ?? 0) / 1000);
    metrics.mirrorEntries.set({ service }, entries);
    metrics.mirrorParked.set({ service }, parkedKeys);
  }
}
