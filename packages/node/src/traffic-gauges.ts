/** Gauges of services and instances from this node's own requests, computed at each scrape and not per request. */
import type { Service } from "@sticky-proxy/core/registry";
import type { Metrics } from "@sticky-proxy/runtime";
import type { HealthView, TrafficSnapshot, TrafficView } from "@sticky-proxy/upstream";

export interface TrafficGauges {
  readonly services: () => readonly Service[];
  readonly traffic: TrafficView;
  readonly health: HealthView;
  readonly metrics: Pick<Metrics, "instanceState" | "breakerState" | "panic" | "queueDepth">;
}

const breakerValues: Readonly<Record<TrafficSnapshot["breaker"], number>> = {
  closed: 0,
  "half-open": 0.5,
  open: 1,
};

export function exportTraffic({ services, traffic, health, metrics }: TrafficGauges): void {
  const { instanceState, breakerState, panic, queueDepth } = metrics;

  /** One value for each configured service; `seen` is null for one that was not called yet. */
  function ofServices(gauge: typeof breakerState, valueOf: (seen: TrafficSnapshot | null) => number): void {
    gauge.onScrape(() => {
      const seen = new Map(traffic.traffic().map((one) => [one.service, one]));
      gauge.reset();
      for (const { name } of services()) gauge.set({ service: name }, valueOf(seen.get(name) ?? null));
    });
  }
  ofServices(breakerState, (seen) => breakerValues[seen?.breaker ?? "closed"]);
  ofServices(panic, (seen) => (seen?.panic === true ? 1 : 0));
  ofServices(queueDepth, (seen) => seen?.queued ?? 0);

  instanceState.onScrape(() => {
    const seen = new Map(traffic.traffic().map((one) => [one.service, one.instances]));
    instanceState.reset();
    for (const service of services()) {
      for (const { name, origin } of service.instances) {
        const at = seen.get(service.name)?.find((one) => one.origin === origin);
        const isUsable =
          at?.ejected !== true && at?.paused !== true && health.get(service.name, name) !== "down";
        instanceState.set({ service: service.name, instance: name }, isUsable ? 1 : 0);
      }
    }
  });
}
