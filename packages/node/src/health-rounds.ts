/**
 * Health of instances: one elected proxy probes, all nodes read. Published results expire, so a prober that
 * dies leaves "unknown", which is usable, and never an outdated result.
 */
import type { Service } from "@sticky-proxy/core/registry";
import { sleep, type Lifecycle, type Logger, systemClock } from "@sticky-proxy/runtime";
import type { HealthReport, Locks, Registry } from "@sticky-proxy/store";
import {
  createHealthView,
  createProber,
  type HealthView,
  type OutboundCaller,
  type ProbeResult,
} from "@sticky-proxy/upstream";

const leadershipMs = 6000;
const probeTickMs = 100;

export interface HealthParts {
  readonly services: () => readonly Service[];
  readonly registry: Registry;
  readonly locks: Locks;
  readonly caller: OutboundCaller;
  readonly logger: Logger;
}

export interface HealthRounds {
  readonly view: HealthView;
  /** Reads what the elected prober has published. Rejects when the store does not answer. */
  refresh(): Promise<void>;
  /** Takes part in the election of the prober until the shutdown. */
  start(lifecycle: Lifecycle): void;
}

export function createHealthRounds(parts: HealthParts): HealthRounds {
  const { services, registry, locks, caller, logger } = parts;
  const checked = (): readonly Service[] => services().filter(({ health }) => health !== null);
  const view = createHealthView({
    services,
    shared: registry,
    clock: systemClock,
    onChange: (service, instance, state) => logger.info("instance.health", { service, instance, state }),
  });

  /** Publishes every known result of a service whenever one of them is new. */
  async function probeWhileLeading(signal: AbortSignal): Promise<void> {
    const known = new Map<string, Map<string, HealthReport>>();
    const prober = createProber({
      services: checked,
      caller,
      clock: systemClock,
      random: Math.random,
      async publish(results: readonly ProbeResult[]) {
        const changed = new Map<string, number>();
        for (const { service, instance, state, reason, ttlMs } of results) {
          const reports = known.get(service) ?? new Map<string, HealthReport>();
          if (state === "down" && reports.get(instance)?.state !== "down")
            logger.warn("instance.unhealthy", { service, instance, reason });
          reports.set(instance, { state, reason, at: Date.now() });
          known.set(service, reports);
          changed.set(service, Math.max(changed.get(service) ?? 0, ttlMs));
        }
        for (const [service, ttlMs] of changed)
          await registry.publishHealth(service, known.get(service)!, ttlMs);
      },
    });
    while (!signal.aborted) {
      await prober.tick();
      await sleep(probeTickMs, signal);
    }
  }

  return {
    view,
    refresh: () => view.refresh(),
    start(lifecycle) {
      if (checked().length === 0) return;
      const leading = locks.lead("health-prober", leadershipMs, lifecycle.signal, probeWhileLeading);
      leading.catch((err: unknown) => logger.error("health.election-failed", { err }));
      lifecycle.onShutdown("stop-claiming", "health", () => leading.catch(() => undefined));
    },
  };
}
