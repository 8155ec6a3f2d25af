/** Typed handles of prom-client: a label is text from the configuration or one word of a closed set. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Label name → its closed set, or `text` for configured names (service, route, instance). */
export type LabelShape = Readonly<Record<string, readonly string[] | typeof text>>;
export const text = "text";

export type Labels<S extends LabelShape> = {
  readonly [K in keyof S]: S[K] extends readonly (infer W extends string)[] ? W : string;
};

export interface CounterHandle<S extends LabelShape> {
  inc(labels: Labels<S>, by?: number): void;
}

export interface GaugeHandle<S extends LabelShape> {
  set(labels: Labels<S>, value: number): void;
  inc(labels: Labels<S>, by?: number): void;
  dec(labels: Labels<S>, by?: number): void;
  /** Called at each scrape, before the values are read: for values that are too costly to update per request. */
  onScrape(look: () => void): void;
  /** Removes every series: a former leader must not export. */
  reset(): void;
}

export interface HistogramHandle<S extends LabelShape> {
  observe(labels: Labels<S>, value: number): void;
}

export interface MetricKinds {
  readonly counter: <const S extends LabelShape>(name: string, help: string, labels: S) => CounterHandle<S>;
  readonly gauge: <const S extends LabelShape>(name: string, help: string, labels: S) => GaugeHandle<S>;
  readonly histogram: <const S extends LabelShape>(
    name: string,
    help: string,
    labels: S,
    buckets: readonly number[],
  ) => HistogramHandle<S>;
  /** Counters start at 0 for each combination of closed sets and of configured names. */
  start(configured: ConfiguredNames): void;
}

/** Values of text labels. A counter by service and route starts for routes of their own service alone. */
export interface ConfiguredNames {
  readonly services: readonly string[];
  readonly routes: readonly { readonly service: string; readonly route: string }[];
}

const prefix = "sticky_proxy_";
/** A counter with more combinations has a series from its first use. */
const maxStarted = 2000;

export function metricKinds(registry: Registry): MetricKinds {
  const counters: { counter: Counter; labels: LabelShape }[] = [];
  const common = (name: string, help: string, labels: LabelShape) => ({
    name: prefix + name,
    help,
    labelNames: Object.keys(labels),
    registers: [registry],
  });
  return {
    counter(name, help, labels) {
      const counter = new Counter(common(name, help, labels));
      counters.push({ counter, labels });
      return { inc: (values, by = 1) => counter.inc(values, by) };
    },
    gauge(name, help, labels) {
      let look = (): void => undefined;
      const gauge = new Gauge({ ...common(name, help, labels), collect: () => look() });
      return {
        set: (values, value) => gauge.set(values, value),
        inc: (values, by = 1) => gauge.inc(values, by),
        dec: (values, by = 1) => gauge.dec(values, by),
        onScrape(asked) {
          look = asked;
        },
        reset: () => gauge.reset(),
      };
    },
    histogram(name, help, labels, buckets) {
      const histogram = new Histogram({ ...common(name, help, labels), buckets: [...buckets] });
      return { observe: (values, value) => histogram.observe(values, value) };
    },
    start({ services, routes }) {
      for (const { counter, labels } of counters) {
        const { route, ...others } = labels;
        const sets = Object.entries(others).map(([name, set]) => {
          const names = name === "service" && route === undefined ? services : [];
          return [name, set === text ? names : set] as const;
        });
        const rows = combinations(route === undefined ? sets : sets.filter(([name]) => name !== "service"));
        const owners = route === undefined ? [{}] : routes;
        if (rows.length * owners.length > maxStarted) continue;
        for (const owner of owners) for (const row of rows) counter.inc({ ...owner, ...row }, 0);
      }
    },
  };
}

function combinations(sets: readonly (readonly [string, readonly string[]])[]): Record<string, string>[] {
  return sets.reduce<Record<string, string>[]>(
    (rows, [name, words]) => rows.flatMap((row) => words.map((word) => ({ ...row, [name]: word }))),
    [{}],
  );
}
