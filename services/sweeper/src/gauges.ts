/** Elects the sweeper that exports the gauges of the whole store. */
import { sleep, type Config, type Lifecycle, type Logger, type Metrics } from "@sticky-proxy/runtime";
import type { Locks, OpenCache, OpenStore } from "@sticky-proxy/store";
import { exportStore, forgetStore, type StoreGauges } from "./store-gauges.ts";

const leadershipMs = 6000;
const lookMs = 15_000;

export interface GaugesParts {
  readonly config: Config;
  readonly store: OpenStore;
  readonly cached: OpenCache;
  readonly locks: Locks;
  readonly now: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export function startGauges(parts: GaugesParts, lifecycle: Lifecycle): void {
  const { config, store, cached, locks, now, logger, metrics } = parts;
  const gauges: StoreGauges = {
    store: store.processes,
    cacheBytes: () => cached.store.totalBytes(),
    services: () => config.services.map(({ name }) => name),
    now,
    metrics,
  };
  const leading = locks.lead("gauges", leadershipMs, lifecycle.signal, async (signal) => {
    try {
      while (!signal.aborted) {
        await exportStore(gauges).catch((err: unknown) => logger.warn("gauges.unread", { err }));
        await sleep(lookMs, signal);
      }
    } finally {
      forgetStore(metrics);
    }
  });
  leading.catch((err: unknown) => logger.error("gauges.election-failed", { err }));
  lifecycle.onShutdown("stop-claiming", "gauges", () => leading.catch(() => undefined));
}
