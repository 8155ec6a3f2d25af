/**
 * The active checks of all instances. One elected node calls `tick` and publishes what it finds; every node reads the
 * published results, and a result that is not renewed expires: an unknown instance is usable.
 */
import type { Clock } from "@sticky-proxy/protocol";
import {
  probed,
  unprobed,
  type HealthPolicy,
  type Instance,
  type ProbeHealth,
  type ProbeState,
  type Service,
} from "@sticky-proxy/core/registry";

import type { OutboundAnswer, OutboundCaller } from "./outbound-call.ts";
import type { HealthView } from "./traffic.ts";

export interface ProbeResult {
  readonly service: string;
  readonly instance: string;
  readonly state: Exclude<ProbeState, "unknown">;
  /** What the last check met, for people. */
  readonly reason: string;
  /** Lifetime of the result. */
  readonly ttlMs: number;
}

export interface ProberOptions {
  readonly services: () => readonly Service[];
  /** Its guard must allow the addresses of instances. */
  readonly caller: OutboundCaller;
  readonly publish: (results: readonly ProbeResult[]) => Promise<void>;
  readonly clock: Pick<Clock, "monotonic">;
  /** In [0, 1): spreads the checks over their interval. */
  readonly random: () => number;
  readonly onChange?: (service: string, instance: string, state: ProbeState) => void;
}

export interface Prober {
  /** Runs the due checks and publishes their results. Calls never overlap. Rejects when publishing fails. */
  tick(): Promise<void>;
  /** Results of this node's own checks: for one node without a store. */
  readonly view: HealthView;
}

interface Check {
  health: ProbeHealth;
  dueAt: number;
}

/** One missed or slow round must not make a healthy instance unknown. */
const ttlRounds = 3;
const maxParallel = 32;
const maxAnswerBytes = 65_536;

export function createProber(options: ProberOptions): Prober {
  const { services, caller, publish, clock, random } = options;
  const checks = new Map<string, Check>();
  let running: Promise<void> | null = null;

  async function round(): Promise<void> {
    const due = [];
    const known = new Set<string>();
    for (const service of services()) {
      if (service.health === null) continue;
      for (const instance of service.instances) {
        const key = keyOf(service.name, instance.name);
        known.add(key);
        let check = checks.get(key);
        // A new instance is checked at once.
        if (check === undefined) checks.set(key, (check = { health: unprobed, dueAt: clock.monotonic() }));
        if (check.dueAt <= clock.monotonic()) due.push({ service, instance, policy: service.health, check });
      }
    }
    for (const key of checks.keys()) if (!known.has(key)) checks.delete(key);
    const results: ProbeResult[] = [];
    while (due.length > 0) {
      const batch = due.splice(0, maxParallel);
      results.push(
        ...(await Promise.all(batch.map((one) => run(one.service, one.instance, one.policy, one.check)))),
      );
    }
    if (results.length > 0) await publish(results);
  }

  async function run(
    service: Service,
    instance: Instance,
    policy: HealthPolicy,
    check: Check,
  ): Promise<ProbeResult> {
    check.dueAt = clock.monotonic() + policy.intervalMs * (0.9 + 0.2 * random());
    const answer = await caller.call({
      method: "GET",
      url: new URL(instance.origin + policy.path),
      headers: [["User-Agent", "sticky-proxy-health"]],
      body: null,
      tls: service.tls,
      timeoutMs: policy.timeoutMs,
      maxBytes: maxAnswerBytes,
    });
    const before = check.health.state;
    check.health = probed(check.health, isHealthy(answer), policy);
    const { state } = check.health;
    if (state !== before) options.onChange?.(service.name, instance.name, state);
    return {
      service: service.name,
      instance: instance.name,
      state: state === "down" ? "down" : "up",
      reason: reasonOf(answer),
      ttlMs: policy.intervalMs * ttlRounds + policy.timeoutMs,
    };
  }

  return {
    tick() {
      running ??= round().finally(() => {
        running = null;
      });
      return running;
    },
    view: { get: (service, instance) => checks.get(keyOf(service, instance))?.health.state ?? "unknown" },
  };
}

/** A redirect says where another resource is, and nothing about this instance; it is not followed. */
function isHealthy(answer: OutboundAnswer): boolean {
  return answer.kind === "answered" && answer.status < 300;
}

function reasonOf(answer: OutboundAnswer): string {
  if (answer.kind === "failed") return `${answer.reason}: ${answer.detail}`;
  const isRedirect = answer.status >= 300 && answer.status < 400;
  return isRedirect
    ? `answered ${answer.status}: a redirect is not followed, and not healthy`
    : `answered ${answer.status}`;
}

function keyOf(service: string, instance: string): string {
  return `${service}\n${instance}`;
}
