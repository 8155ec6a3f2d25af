/** State of each service from this node's own requests: connections, load, latency, ejection, breaker, bulkhead. */
import {
  chooseInstance,
  fadedLatency,
  observed,
  slowStart,
  smoothLatency,
  unseen,
  usableInstances,
  type Instance,
  type PassiveHealth,
  type ProbeState,
  type Service,
} from "@sticky-proxy/core/registry";
import { Pool } from "undici";

import { Breaker } from "./breaker.ts";
import { Bulkhead } from "./bulkhead.ts";
import { WatchedClient } from "./connection.ts";

/** Shared results of the active checks. An expired or missing result is "unknown"; an unknown instance is usable. */
export interface HealthView {
  get(service: string, instance: string): ProbeState;
}

export const allUnknown: HealthView = { get: () => "unknown" };

export interface ConnectionLimits {
  readonly keepAliveMs: number;
  readonly maxHeaderBytes: number;
}

/** Current state of one service on this node, for metrics. */
export interface TrafficSnapshot {
  readonly service: string;
  readonly inFlight: number;
  readonly queued: number;
  readonly breaker: "closed" | "half-open" | "open";
  readonly panic: boolean;
  readonly instances: readonly {
    readonly origin: string;
    readonly inFlight: number;
    readonly latencyMs: number;
    readonly ejected: boolean;
  }[];
}

export interface TrafficView {
  /** Services that were called since start. */
  traffic(): readonly TrafficSnapshot[];
}

export class InstanceTraffic {
  readonly pool: Pool;
  inFlight = 0;
  latencyMs = 0;
  measuredAt = 0;
  passive: PassiveHealth = unseen;

  constructor(origin: string, connectMs: number, { keepAliveMs, maxHeaderBytes }: ConnectionLimits) {
    this.pool = new Pool(origin, {
      factory: (base, options) => new WatchedClient(base, options),
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      maxHeaderSize: maxHeaderBytes,
      connect: { timeout: connectMs },
    });
  }
}

export interface Choice {
  readonly instance: Instance;
  readonly traffic: InstanceTraffic;
}

export class ServiceTraffic {
  readonly bulkhead = new Bulkhead();
  readonly breaker = new Breaker();
  panic = false;
  readonly #instances = new Map<string, InstanceTraffic>();
  readonly #random: () => number;
  readonly #limits: ConnectionLimits;

  constructor(random: () => number, limits: ConnectionLimits) {
    this.#random = random;
    this.#limits = limits;
  }

  snapshot(service: string, now: number): TrafficSnapshot {
    return {
      service,
      inFlight: this.bulkhead.inFlight,
      queued: this.bulkhead.queued,
      breaker: this.breaker.state(now),
      panic: this.panic,
      instances: [...this.#instances].map(([origin, { inFlight, latencyMs, passive }]) => ({
        origin,
        inFlight,
        latencyMs,
        ejected: now < passive.ejectedUntil,
      })),
    };
  }

  instance(service: Service, instance: Instance): InstanceTraffic {
    let traffic = this.#instances.get(instance.origin);
    if (traffic === undefined) {
      traffic = new InstanceTraffic(instance.origin, service.timeouts.connectMs, this.#limits);
      this.#instances.set(instance.origin, traffic);
      if (this.#instances.size > service.instances.length) this.#forgetGone(service);
    }
    return traffic;
  }

  /** Prefers instances that are not in `avoid`. null: all instances are down. */
  choose(service: Service, health: HealthView, avoid: ReadonlySet<string>, now: number): Choice | null {
    const all = service.instances.map((instance) => {
      const traffic = this.instance(service, instance);
      return {
        instance,
        traffic,
        probe: health.get(service.name, instance.name),
        passive: traffic.passive,
        inFlight: traffic.inFlight,
        latencyMs: fadedLatency(traffic.latencyMs, now - traffic.measuredAt),
        weight: instance.weight * slowStart(traffic.passive, now),
      };
    });
    const usable = usableInstances(all, now);
    this.panic = usable.panic;
    const preferred =
      avoid.size === 0 ? usable.instances : usable.instances.filter((c) => !avoid.has(c.instance.name));
    return chooseInstance(
      preferred.length > 0 ? preferred : usable.instances,
      this.#random(),
      this.#random(),
    );
  }

  /**
   * Records the result of an attempt: `failure` means that the gateway got no usable response.
   * Returns whether the instance is ejected now.
   */
  report(traffic: InstanceTraffic, failure: boolean, ttfbMs: number | null, now: number): boolean {
    const before = traffic.passive.ejectedUntil;
    traffic.passive = observed(traffic.passive, failure, now, this.#random());
    if (ttfbMs !== null) {
      traffic.latencyMs = smoothLatency(fadedLatency(traffic.latencyMs, now - traffic.measuredAt), ttfbMs);
      traffic.measuredAt = now;
    }
    return traffic.passive.ejectedUntil > before;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#instances.values()].map(({ pool }) => pool.destroy()));
  }

  /** Running requests of a removed instance finish; its idle connections close. */
  #forgetGone(service: Service): void {
    const present = new Set(service.instances.map(({ origin }) => origin));
    for (const [origin, traffic] of this.#instances) {
      if (present.has(origin)) continue;
      this.#instances.delete(origin);
      traffic.pool.close().catch(() => {
        // The agent is destroyed already.
      });
    }
  }
}
