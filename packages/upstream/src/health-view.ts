/**
 * A node's copy of the health results that the elected prober publishes: read periodically, used at every dispatch. Results
 * expire in the store, and here when the store cannot be read: an unknown instance is usable.
 */
import type { Clock } from "@sticky-proxy/protocol";
import type { ProbeState, Service } from "@sticky-proxy/core/registry";
import type { HealthView } from "./traffic.ts";

/** Published results by instance name. */
export interface SharedHealth {
  health(service: string): Promise<ReadonlyMap<string, { readonly state: ProbeState }>>;
}

export interface SharedHealthView extends HealthView {
  /** Reads the published results. Rejects when the store does not answer. */
  refresh(): Promise<void>;
}

export interface HealthViewOptions {
  readonly services: () => readonly Service[];
  readonly shared: SharedHealth;
  readonly clock: Pick<Clock, "monotonic">;
  readonly onChange?: (service: string, instance: string, state: ProbeState) => void;
}

/** Largest age of a result since it was read. */
const believedMs = 10_000;

interface Seen {
  readonly at: number;
  readonly reports: ReadonlyMap<string, { readonly state: ProbeState }>;
}

export function createHealthView({ services, shared, clock, onChange }: HealthViewOptions): SharedHealthView {
  const seen = new Map<string, Seen>();

  function get(service: string, instance: string): ProbeState {
    const known = seen.get(service);
    if (known === undefined || clock.monotonic() - known.at > believedMs) return "unknown";
    return known.reports.get(instance)?.state ?? "unknown";
  }

  return {
    get,
    async refresh() {
      const checked = services().filter(({ health }) => health !== null);
      for (const { name, instances } of checked) {
        const reports = await shared.health(name);
        for (const instance of instances) {
          const state = reports.get(instance.name)?.state ?? "unknown";
          if (state !== get(name, instance.name)) onChange?.(name, instance.name, state);
        }
        seen.set(name, { at: clock.monotonic(), reports });
      }
      for (const name of seen.keys())
        if (!checked.some((service) => service.name === name)) seen.delete(name);
    },
  };
}
