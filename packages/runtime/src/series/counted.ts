/** Which metric becomes which counter of the time series (core/series), by service. */
import { allServices, isPeak, type Changes } from "@sticky-proxy/core/series";
import type { Registry } from "prom-client";

type Labels = Readonly<Record<string, string | number | undefined>>;

interface Row {
  readonly metric: string;
  /** null: charts do not show it. */
  readonly counter: (labels: Labels) => string | null;
  /** Gauges in seconds become ms. */
  readonly factor?: number;
}

const among =
  (prefix: string, label: string, words: Readonly<Record<string, string>> | null = null) =>
  (labels: Labels): string | null => {
    const word = String(labels[label] ?? "");
    const name = words === null ? word : words[word];
    return name === undefined ? null : prefix + name;
  };

const ends = { completed: "completed", failed: "failed", cancelled: "cancelled" };

const counters: readonly Row[] = [
  { metric: "verdicts_total", counter: among("v.", "verdict") },
  { metric: "cache_requests_total", counter: among("c.", "result") },
  { metric: "callbacks_total", counter: among("r.", "outcome") },
  { metric: "mirror_total", counter: among("m.", "result") },
  {
    metric: "process_transitions_total",
    counter: (labels) => (labels["from"] === "none" ? "p.started" : among("p.", "to", ends)(labels)),
  },
];

const gauges: readonly Row[] = [
  { metric: "processes", counter: among("g.", "status", { pending: "pending", "in-progress": "running" }) },
  { metric: "dead_letters", counter: () => "g.dead" },
  { metric: "mirror_lag_seconds", counter: () => "g.lag", factor: 1000 },
  { metric: "mirror_outbox_entries", counter: () => "g.waiting" },
];

interface Histogram {
  readonly metric: string;
  /** Of its buckets: `t0`, `t1`, … */
  readonly buckets: string;
  /** Of its count. */
  readonly counter: (labels: Labels) => string | null;
}

const outcomes: Readonly<Record<string, string>> = { ok: "ok", "4xx": "4xx", "5xx": "5xx" };

const histograms: readonly Histogram[] = [
  { metric: "http_request_duration_seconds", buckets: "t", counter: among("http:", "status_class") },
  {
    metric: "upstream_request_duration_seconds",
    buckets: "s",
    counter: ({ outcome }) => `a:${outcomes[String(outcome)] ?? "error"}`,
  },
];

type Tally = Map<string, Map<string, number>>;

/** What the counters stand at, and what the gauges say. */
export interface Reading {
  readonly counts: Changes;
  readonly gauges: Changes;
}

export async function readCounted(registry: Registry): Promise<Reading> {
  const counts: Tally = new Map();
  const peaks: Tally = new Map();
  for (const row of counters) await readRow(registry, row, counts);
  for (const row of gauges) await readRow(registry, row, peaks);
  for (const one of histograms) await readHistogram(registry, one, counts);
  return { counts, gauges: peaks };
}

/** What has been counted since `before`, with the gauges, and all of it once more under {@link allServices}. */
export function changesSince(before: Changes, { counts, gauges: peaks }: Reading): Changes {
  const changes: Tally = new Map();
  for (const [service, values] of counts)
    for (const [name, value] of values) {
      const difference = value - (before.get(service)?.get(name) ?? 0);
      if (difference > 0) both(changes, service, name, difference);
    }
  for (const [service, values] of peaks)
    for (const [name, value] of values) both(changes, service, name, value);
  return changes;
}

/** One after the other: sums add up, of gauges the greater one stays. */
export function addChanges(earlier: Changes, later: Changes): Changes {
  const all: Tally = new Map();
  for (const changes of [earlier, later])
    for (const [service, values] of changes)
      for (const [name, value] of values) {
        const found = all.get(service)?.get(name) ?? 0;
        set(all, service, name, isPeak(name) ? Math.max(found, value) : found + value);
      }
  return all;
}

/** A lag of all services is the greatest one; whatever else is counted adds up. */
function both(changes: Tally, service: string, name: string, value: number): void {
  add(changes, service, name, value);
  const all = changes.get(allServices)?.get(name) ?? 0;
  set(changes, allServices, name, name === "g.lag" ? Math.max(all, value) : all + value);
}

async function valuesOf(registry: Registry, metric: string) {
  const found = registry.getSingleMetric(`sticky_proxy_${metric}`);
  return found === undefined ? [] : (await found.get()).values;
}

async function readRow(registry: Registry, { metric, counter, factor = 1 }: Row, into: Tally): Promise<void> {
  for (const { labels, value } of await valuesOf(registry, metric)) {
    const name = counter(labels);
    if (name !== null) add(into, String(labels["service"]), name, Math.round(value * factor));
  }
}

/** Buckets are cumulative in the metric, and alone in the series; each label set begins with its first bucket. */
async function readHistogram(
  registry: Registry,
  { metric, buckets, counter }: Histogram,
  into: Tally,
): Promise<void> {
  let [at, below] = [0, 0];
  for (const sample of await valuesOf(registry, metric)) {
    const { labels, value } = sample;
    const service = String(labels["service"]);
    const of = "metricName" in sample ? String(sample.metricName) : "";
    if (of.endsWith("_bucket")) {
      add(into, service, `${buckets}${at}`, value - below);
      [at, below] = [at + 1, value];
    } else {
      [at, below] = [0, 0];
      const name = of.endsWith("_count") ? counter(labels) : null;
      if (name !== null) add(into, service, name, value);
    }
  }
}

function add(tally: Tally, service: string, name: string, value: number): void {
  set(tally, service, name, (tally.get(service)?.get(name) ?? 0) + value);
}

function set(tally: Tally, service: string, name: string, value: number): void {
  const values = tally.get(service) ?? new Map<string, number>();
  values.set(name, value);
  tally.set(service, values);
}
