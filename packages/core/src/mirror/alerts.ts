/**
 * Decides which alerts the mirror sends to operators, and how often. A condition is over sums, never over a single
 * difference. A rate raises an alert only when it is too high in a long and in a short window: neither a burst nor a
 * fault that has ended long ago wakes anybody. Pure.
 */
import type { Coverage } from "./coverage.ts";
import { lossesOf } from "./migration-gates.ts";
import type { Lag } from "./outbox.ts";

export interface AlertPolicy {
  readonly shortMs: number;
  readonly longMs: number;
  readonly differenceRate: number;
  readonly failureRate: number;
  /** Pairs, or copies, of a window below which it has no rate. */
  readonly minCompared: number;
  readonly lagMs: number;
  /** An alert whose condition persists is sent again after this time. */
  readonly repeatMs: number;
}

export const alertKinds = ["differences", "failures", "lag", "gaps", "stopped", "chain"] as const;
export type AlertKind = (typeof alertKinds)[number];

export interface Alert {
  readonly kind: AlertKind;
  /** "": all services. */
  readonly service: string;
  /** For people: the measured value and its limit. */
  readonly found: string;
}

/** Sums of one service over a span. */
export interface WindowSums {
  readonly compared: number;
  readonly different: number;
  readonly failed: number;
  readonly lost: number;
}

export const noSums: WindowSums = { compared: 0, different: 0, failed: 0, lost: 0 };

export function windowSums(coverage: readonly Coverage[]): WindowSums {
  const sums = { compared: 0, different: 0, failed: 0, lost: 0 };
  for (const one of coverage) {
    sums.compared += one.matched + one.masked + one.different;
    sums.different += one.different;
    sums.failed += one.failed;
    sums.lost += lossesOf(one);
  }
  return sums;
}

/** What came between two looks at the same counters. */
export function sumsBetween(before: WindowSums, after: WindowSums): WindowSums {
  return {
    compared: after.compared - before.compared,
    different: after.different - before.different,
    failed: after.failed - before.failed,
    lost: after.lost - before.lost,
  };
}

export interface ServiceFacts {
  readonly service: string;
  readonly long: WindowSums;
  /** null: not known yet. */
  readonly short: WindowSums | null;
  readonly lag: Lag | null;
  /** Keys that wait for an operator. */
  readonly stopped: number;
}

export function alertsOf(facts: ServiceFacts, policy: AlertPolicy): readonly Alert[] {
  const { service, long, short, lag, stopped } = facts;
  const alerts: Alert[] = [];
  const add = (kind: AlertKind, found: string): void => void alerts.push({ kind, service, found });
  const share = (
    kind: AlertKind,
    limit: number,
    of: (sums: WindowSums) => readonly [number, number],
  ): void => {
    if (short === null) return;
    const windows = [of(long), of(short)] as const;
    const isOver = ([part, all]: readonly [number, number]): boolean =>
      all >= policy.minCompared && part / all > limit;
    if (!windows.every(isOver)) return;
    const [[part, all], [shortPart, shortAll]] = windows;
    add(
      kind,
      `${part} of ${all}, lately ${shortPart} of ${shortAll}; the limit is a share of ${limit} in both windows`,
    );
  };
  share("differences", policy.differenceRate, (sums) => [sums.different, sums.compared]);
  share("failures", policy.failureRate, (sums) => [sums.failed, sums.compared + sums.failed]);
  const oldestMs = lag?.oldestMs ?? 0;
  if (oldestMs > policy.lagMs)
    add("lag", `the oldest copy waits for ${oldestMs} ms; the limit is ${policy.lagMs} ms`);
  if (long.lost > 0) add("gaps", `${long.lost} calls were not copied`);
  if (stopped > 0) add("stopped", `${stopped} keys wait for an operator (mirror parked)`);
  return alerts;
}

/** What the store knows of an alert that is firing. */
export interface KnownAlert {
  /** Since when, epoch ms. */
  readonly since: number;
  /** When it was last sent, epoch ms; 0: not yet. */
  readonly toldAt: number;
}

export interface AlertEvent extends Alert {
  /** See {@link alertName}. */
  readonly name: string;
  readonly state: "firing" | "resolved";
  readonly since: number;
  /** When it was sent before, epoch ms; 0: never. */
  readonly toldAt: number;
}

export function alertName({ kind, service }: Pick<Alert, "kind" | "service">): string {
  return `${kind} ${service}`;
}

/**
 * Decides which events to send now: alerts that begin, alerts that were last sent `repeatMs` ago, and the end of alerts
 * that had been sent. An alert that ends before it was sent makes no event.
 * @returns also which alerts begin and which end; an event counts as sent only once its receiver has accepted it
 */
export function decideAlerts(
  alerts: readonly Alert[],
  known: ReadonlyMap<string, KnownAlert>,
  now: number,
  repeatMs: number,
): {
  readonly begun: ReadonlyMap<string, KnownAlert>;
  readonly over: readonly string[];
  readonly events: readonly AlertEvent[];
} {
  const begun = new Map<string, KnownAlert>();
  const events: AlertEvent[] = [];
  const isOn = new Set<string>();
  for (const alert of alerts) {
    const name = alertName(alert);
    isOn.add(name);
    const { since, toldAt } = known.get(name) ?? { since: now, toldAt: 0 };
    if (!known.has(name)) begun.set(name, { since, toldAt });
    if (toldAt === 0 || now - toldAt >= repeatMs)
      events.push({ ...alert, name, state: "firing", since, toldAt });
  }
  const over: string[] = [];
  for (const [name, { since, toldAt }] of known) {
    if (isOn.has(name)) continue;
    const [kind, service] = [name.slice(0, name.indexOf(" ")), name.slice(name.indexOf(" ") + 1)];
    if (toldAt === 0) over.push(name);
    else
      events.push({
        kind: kind as AlertKind,
        service,
        found: "it is over",
        name,
        state: "resolved",
        since,
        toldAt,
      });
  }
  return { begun, over, events };
}
