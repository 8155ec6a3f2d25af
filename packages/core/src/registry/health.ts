/**
 * Which instances may be used. Active checks (rise and fall), each node's own passive view (ejection), and the
 * panic rule: with less than half of the instances usable, excluding more would only move the overload.
 * Pure: the caller holds the states and the clock.
 */
import type { HealthPolicy } from "./service.ts";

export type ProbeState = "up" | "down" | "unknown";

/** One instance's active check. */
export interface ProbeHealth {
  readonly state: ProbeState;
  /** Consecutive results that speak against `state`. */
  readonly streak: number;
}

export const unprobed: ProbeHealth = { state: "unknown", streak: 0 };

/** The first result decides at once; afterwards `fall` failures take out and `rise` successes bring back. */
export function probed(
  health: ProbeHealth,
  success: boolean,
  policy: Pick<HealthPolicy, "rise" | "fall">,
): ProbeHealth {
  const says: ProbeState = success ? "up" : "down";
  if (health.state === "unknown") return { state: says, streak: 0 };
  if (health.state === says) return health.streak === 0 ? health : { state: says, streak: 0 };
  const streak = health.streak + 1;
  return streak >= (success ? policy.rise : policy.fall)
    ? { state: says, streak: 0 }
    : { state: health.state, streak };
}

/** What this node saw of an instance in its own traffic. */
export interface PassiveHealth {
  readonly consecutiveFailures: number;
  /** How often it was ejected in a row; it lengthens the next ejection. */
  readonly ejections: number;
  /** Monotonic ms; 0: not ejected. */
  readonly ejectedUntil: number;
  /** End of the last ejection, for slow start; 0: never ejected. */
  readonly returnedAt: number;
}

export const unseen: PassiveHealth = { consecutiveFailures: 0, ejections: 0, ejectedUntil: 0, returnedAt: 0 };

export interface EjectionPolicy {
  readonly failures: number;
  readonly baseMs: number;
  readonly maxMs: number;
}

export const defaultEjection: EjectionPolicy = { failures: 5, baseMs: 5_000, maxMs: 60_000 };

/** A gateway failure is a lost or refused connection, a time-out, or a 502/503/504 of the service. `jitter` in [0, 1). */
export function observed(
  health: PassiveHealth,
  failure: boolean,
  now: number,
  jitter: number,
  policy: EjectionPolicy = defaultEjection,
): PassiveHealth {
  if (!failure) {
    if (health.consecutiveFailures === 0 && health.ejections === 0) return health;
    return { ...health, consecutiveFailures: 0, ejections: 0 };
  }
  const consecutiveFailures = health.consecutiveFailures + 1;
  if (consecutiveFailures < policy.failures || now < health.ejectedUntil)
    return { ...health, consecutiveFailures };
  const ejections = health.ejections + 1;
  const span = Math.min(policy.baseMs * ejections, policy.maxMs) * (1 + jitter * 0.1);
  return { consecutiveFailures: 0, ejections, ejectedUntil: now + span, returnedAt: now + span };
}

/** Share of its weight that an instance gets back after an ejection, rising from 0.1 to 1 over `rampMs`. */
export function slowStart(health: PassiveHealth, now: number, rampMs = 10_000): number {
  if (health.returnedAt === 0 || now < health.returnedAt) return 1;
  const share = (now - health.returnedAt) / rampMs;
  return share >= 1 ? 1 : Math.max(0.1, share);
}

export interface InstanceHealth {
  readonly probe: ProbeState;
  readonly passive: PassiveHealth;
}

export interface Usable<T> {
  readonly instances: readonly T[];
  readonly panic: boolean;
}

/**
 * At most half of the instances are passively ejected. Less than half usable: all are (panic), except when
 * active checks say that every one is down, because then the honest answer is service-unavailable.
 */
export function usableInstances<T extends InstanceHealth>(all: readonly T[], now: number): Usable<T> {
  const up = all.filter((instance) => instance.probe !== "down");
  if (up.length === 0) return { instances: up, panic: false };
  if (up.length * 2 < all.length) return { instances: all, panic: true };
  let ejectable = Math.floor(all.length / 2) - (all.length - up.length);
  const kept = up.filter((instance) => {
    if (now >= instance.passive.ejectedUntil || ejectable <= 0) return true;
    ejectable -= 1;
    return false;
  });
  return { instances: kept, panic: false };
}
