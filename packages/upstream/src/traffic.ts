/** State of each service from this node's own requests: connections, load, latency, ejection, breaker, bulkhead. */
import {
  chooseInstance,
  instanceFor,
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
import { Pool, type buildConnector } from "undici";

import type { Refusal } from "./outcome.ts";
import { Breaker } from "./breaker.ts";
import { Bulkhead } from "./bulkhead.ts";
import { WatchedClient } from "./connection.ts";
import { connectorOf } from "./connector.ts";

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
    /** It asked for a pause with 503 and Retry-After, on two connections. */
    readonly paused: boolean;
  }[];
}

export interface TrafficView {
  /** Services that were called since start. */
  traffic(): readonly TrafficSnapshot[];
}

export class InstanceTraffic {
  inFlight = 0;
  latencyMs = 0;
  measuredAt = 0;
  passive: PassiveHealth = unseen;
  /** Monotonic ms; 0: not paused. */
  pausedUntil = 0;
  #pool: Pool;
  readonly #newPool: () => Pool;
  /** It said 503 with Retry-After once: when, and whether the one try on a new connection is under way. */
  #doubt: { readonly since: number; isTrying: boolean } | null = null;

  constructor(
    origin: string,
    connect: buildConnector.connector,
    { keepAliveMs, maxHeaderBytes }: ConnectionLimits,
  ) {
    this.#newPool = () =>
      new Pool(origin, {
        factory: (base, options) => new WatchedClient(base, options),
        pipelining: 1,
        allowH2: false,
        keepAliveTimeout: keepAliveMs,
        keepAliveMaxTimeout: keepAliveMs,
        maxHeaderSize: maxHeaderBytes,
        connect,
      });
    this.#pool = this.#newPool();
  }

  get pool(): Pool {
    return this.#pool;
  }

  /** Asked for a pause, or somebody is just finding out whether all of it does. */
  isPaused(now: number): boolean {
    return now < this.pausedUntil || this.#doubt?.isTrying === true;
  }

  /** The next request to it is the try on a new connection, if it is in doubt. */
  beginTry(): void {
    if (this.#doubt !== null) this.#doubt.isTrying = true;
  }

  endTry(): void {
    if (this.#doubt !== null) this.#doubt.isTrying = false;
  }

  /** It answered with something else than a refusal. */
  accepted(): null {
    this.#doubt = null;
    return null;
  }

  /**
   * It said 503 with Retry-After. Behind one address may be many, and a kept connection always leads to the same one: the
   * first refusal gives its connections up, and only one from a new connection pauses it.
   * @returns whether it is paused now
   */
  refused(ms: number, sentAt: number, now: number): boolean {
    const doubt = this.#doubt;
    if (doubt === null || now - doubt.since > maxInstancePauseMs) {
      this.#doubt = { since: now, isTrying: false };
      closeGently(this.#pool);
      this.#pool = this.#newPool();
      return now < this.pausedUntil;
    }
    if (sentAt < doubt.since) return now < this.pausedUntil; // sent before the connections were given up
    this.#doubt = null;
    this.pausedUntil = Math.max(this.pausedUntil, now + Math.min(ms, maxInstancePauseMs));
    // It comes back by degrees, as after an ejection.
    this.passive = { ...this.passive, returnedAt: this.pausedUntil };
    return true;
  }
}

/** Whatever an instance asks for, it is tried again after this. */
const maxInstancePauseMs = 60_000;

/** What runs on it ends; its idle connections close. */
function closeGently(pool: Pool): void {
  pool.close().catch(() => {
    // Already destroyed: nothing is left to close.
  });
}

export interface Choice {
  readonly instance: Instance;
  readonly traffic: InstanceTraffic;
}

interface HealthScope {
  readonly service: Service;
  readonly health: HealthView;
}

export class ServiceTraffic {
  readonly bulkhead = new Bulkhead();
  readonly breaker = new Breaker();
  panic = false;
  readonly #instances = new Map<string, InstanceTraffic>();
  readonly #random: () => number;
  readonly #limits: ConnectionLimits;
  /** As the configuration says it now: for connections that are opened from here on. */
  #tls: Service["tls"] = null;

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
      instances: [...this.#instances].map(([origin, { inFlight, latencyMs, passive, pausedUntil }]) => ({
        origin,
        inFlight,
        latencyMs,
        ejected: now < passive.ejectedUntil,
        paused: now < pausedUntil,
      })),
    };
  }

  instance(service: Service, instance: Instance): InstanceTraffic {
    let traffic = this.#instances.get(instance.origin);
    this.#tls = service.tls;
    if (traffic === undefined) {
      const connect = connectorOf(service.timeouts.connectMs, () => this.#tls);
      traffic = new InstanceTraffic(instance.origin, connect, this.#limits);
      this.#instances.set(instance.origin, traffic);
      if (this.#instances.size > service.instances.length) this.#forgetGone(service);
    }
    return traffic;
  }

  /**
   * Prefers instances that are not in `avoid`. null: all instances are down.
   * @param keptBy requests of one value meet one instance while it is among those to choose from; null: load decides
   */
  choose(
    service: Service,
    health: HealthView,
    avoid: ReadonlySet<string>,
    now: number,
    keptBy: string | null = null,
  ): Choice | null {
    const usable = this.#usable(service, health, now);
    const ready = usable.filter(({ traffic }) => !traffic.isPaused(now));
    const unpaused = ready.length > 0 ? ready : usable;
    const preferred = avoid.size === 0 ? unpaused : unpaused.filter((c) => !avoid.has(c.instance.name));
    const candidates = preferred.length > 0 ? preferred : unpaused;
    if (keptBy !== null) return instanceFor(candidates, keptBy);
    return chooseInstance(candidates, this.#random(), this.#random());
  }

  #usable(service: Service, health: HealthView, now: number) {
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
    return usable.instances;
  }

  /** Notes that the instance said 503 with Retry-After. @returns what is left to ask */
  refused(
    { service, health, instance, traffic }: Choice & HealthScope,
    ms: number,
    sentAt: number,
    now: number,
  ): Refusal {
    const isPaused = traffic.refused(ms, sentAt, now);
    const usable = this.#usable(service, health, now);
    const others = usable.filter(
      (one) => one.instance.name !== instance.name && now >= one.traffic.pausedUntil,
    );
    if (others.length > 0) return { kind: "others" };
    if (!isPaused) return { kind: "again" };
    const ends = [traffic, ...usable.map((one) => one.traffic)].map(({ pausedUntil }) => pausedUntil - now);
    return { kind: "nobody", ms: Math.min(...ends) };
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
      closeGently(traffic.pool);
    }
  }
}
