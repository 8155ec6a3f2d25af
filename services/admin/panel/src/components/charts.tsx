/** The charts of Overview and Services: which series each shows, and how its numbers are written. */
import { useMemo } from "react";
import { count, percent, short, span } from "../format.ts";
import type { Series, SeriesName } from "../answers.ts";
import { Chart } from "./chart.tsx";
import type { Line } from "./plot.ts";

interface Shown {
  readonly name: string;
  readonly of: SeriesName;
  readonly color: string;
}

const outcomes: readonly Shown[] = [
  { name: "run", of: "requests.run", color: "series-1" },
  { name: "replayed or joined", of: "requests.saved", color: "series-2" },
  { name: "cache", of: "requests.cache", color: "series-3" },
  { name: "plain", of: "requests.plain", color: "series-4" },
  { name: "refused", of: "requests.refused", color: "series-5" },
];
const errors: readonly Shown[] = [
  { name: "5xx", of: "errors.server", color: "series-6" },
  { name: "4xx", of: "errors.client", color: "series-5" },
];
const times: readonly Shown[] = [
  { name: "service p95", of: "service.p95", color: "series-1" },
  { name: "service median", of: "service.p50", color: "series-2" },
  { name: "client p95", of: "latency.p95", color: "series-5" },
];
const processes: readonly Shown[] = [
  { name: "in progress", of: "processes.running", color: "series-1" },
  { name: "pending", of: "processes.pending", color: "series-5" },
  { name: "dead letters", of: "deadLetters", color: "series-6" },
];

const perSecond = (value: number): string => `${short(value)}/s`;
const ms = (value: number): string => span(value);
const share = (value: number): string => percent(value);

export function Charts({ data }: { readonly data: Series }) {
  const all = useMemo(() => linesOf(data), [data]);
  const frame = { from: Date.parse(data.from), step: data.step, lastStep: data.lastStep };
  return (
    <div class="charts">
      <Chart
        {...frame}
        title="Requests by outcome"
        kind="bars"
        lines={all.outcomes}
        say={perSecond}
        empty="No requests yet."
      />
      <Chart
        {...frame}
        title="Answer time"
        kind="lines"
        lines={all.times}
        say={ms}
        empty="No service was asked."
      />
      <Chart
        {...frame}
        title="Errors"
        kind="bars"
        lines={all.errors}
        say={perSecond}
        empty="No requests yet."
      />
      <Chart
        {...frame}
        title="Saved"
        kind="lines"
        lines={all.saved}
        say={share}
        empty="No request with a key, and none of a cached route."
      />
      <Chart
        {...frame}
        title="Processes"
        kind="lines"
        lines={all.processes}
        say={whole}
        empty="No sweeper has counted yet."
      />
      <Chart
        {...frame}
        title="Mirror lag"
        kind="lines"
        lines={all.lag}
        say={ms}
        empty="No copies to a second backend."
      />
    </div>
  );
}

const whole = (value: number): string => count(Math.round(value));

function linesOf({ series, totals, step, lastStep }: Series) {
  const valuesOf = (name: SeriesName) => series[name] ?? [];
  const rates = (name: SeriesName) =>
    valuesOf(name).map((value, i, { length }) =>
      value === null ? null : (value * 1000) / (i === length - 1 ? lastStep : step),
    );
  const counts = (shown: readonly Shown[]): Line[] =>
    shown.map(({ name, of, color }) => ({
      name,
      color,
      values: rates(of),
      about: count(totals[of] ?? 0, "–"),
    }));
  const asIs = (shown: readonly Shown[], about: (value: number) => string, ofTotal: boolean): Line[] =>
    shown.map(({ name, of, color }) => {
      const value = ofTotal ? (totals[of] ?? null) : (valuesOf(of).findLast((one) => one !== null) ?? null);
      return { name, color, values: valuesOf(of), about: value === null ? "–" : about(value) };
    });
  const ratio = (name: string, color: string, part: SeriesName, all: SeriesName): Line => {
    const of = (a: number | null | undefined, b: number | null | undefined): number | null =>
      a == null || b == null || b === 0 ? null : a / b;
    return {
      name,
      color,
      values: valuesOf(part).map((value, i) => of(value, valuesOf(all)[i])),
      about: percent(of(totals[part], totals[all])),
    };
  };
  return {
    outcomes: counts(outcomes),
    errors: counts(errors),
    times: asIs(times, ms, true),
    saved: [
      ratio("cache hits", "series-2", "cache.hits", "cache.requests"),
      ratio("executions saved", "series-1", "requests.saved", "keyed"),
    ],
    processes: asIs(processes, whole, false),
    lag: asIs([{ name: "oldest copy", of: "mirror.lag", color: "series-1" }], ms, false),
  };
}
