/**
 * The pause that a service asked for with Retry-After: of one caller (429: RFC 6585 4 speaks of its sender), or of the
 * service (503, once all of its instances say so). Kept by every replica, shared through a port, and ended on a ramp, so
 * that the service is not met at once by all that waited.
 *
 * While it lasts, work waits until its end and a random part of the ramp; on the ramp, a growing share goes at once.
 * The local view decides; the shared one only ever lengthens it. Without the shared one each replica learns by itself.
 */
import type { Clock } from "@sticky-proxy/protocol";
import { mayTake } from "@sticky-proxy/core/budgets";
import type { ProcessRecord } from "@sticky-proxy/core/process";

/** The shared pauses of services, and of single callers of them. */
export interface Pacing {
  /** ms that the service, or this caller of it, is still paused; 0: not. */
  pausedMs(service: string, caller: string): number;
  /** The pause itself is not over; the ramp after it does not count. */
  isPaused(service: string, caller: string): boolean;
  /** @param caller null: the service, for all */
  pause(service: string, caller: string | null, ms: number): void;
  /**
   * Takes a place among the work that waits for a paused service on this replica. Returns how to give it back early
   * (it ends by itself after `ms`), or null: `limit` places are taken, or this caller has its share of them.
   */
  reserve(service: string, caller: string, ms: number, limit: number): (() => void) | null;
}

/** Whom a service's 429 means: the credential's digest, or for an anonymous request its holder (its address). */
export function callerOf({ credential, holder }: Pick<ProcessRecord, "credential" | "holder">): string {
  return credential === "" ? holder : credential;
}

/** Where replicas share pauses. */
export interface SharedPauses {
  /** Pauses for `ms` from now, unless a longer pause stands. @param caller null: the service, for all */
  pause(service: string, caller: string | null, ms: number): Promise<void>;
  /** What is paused of these services, and for how many ms more. */
  pauses(services: readonly string[]): Promise<readonly SharedPause[]>;
}

export interface SharedPause {
  readonly service: string;
  /** null: the service, for all. */
  readonly caller: string | null;
  readonly ms: number;
}

export interface ServicePacing extends Pacing {
  /** Takes over what other replicas were told; called by a loop. Never rejects. */
  refresh(): Promise<void>;
}

export interface PacingDeps {
  readonly shared: SharedPauses | null;
  /** Names of the configured services; others are not paced, so nothing grows. */
  readonly services: () => readonly string[];
  readonly clock: Pick<Clock, "monotonic">;
  /** In [0, 1). */
  readonly random: () => number;
  readonly onFailure: (what: string, error: unknown) => void;
}

/** Whatever a service asks for, it is tried again after this. */
export const maxPauseMs = 60_000;
const shortestRampMs = 1000;
const maxRampMs = 30_000;
/** A pause that ends this little later than the known one is not worth a write. */
const noticeableMs = 250;
/** Callers of one service that are remembered as paused; the one that was paused first is forgotten. */
const maxPausedCallers = 1000;

interface Pause {
  readonly endsAt: number;
  readonly rampMs: number;
}

/** The pauses of one service: its own, and those of its callers. */
interface Paused {
  service: Pause | null;
  readonly callers: Map<string, Pause>;
}

export function createPacing({ shared, services, clock, random, onFailure }: PacingDeps): ServicePacing {
  const pauses = new Map<string, Paused>();
  const waiting = new Map<string, Set<{ readonly until: number; readonly caller: string }>>();

  /** false: nothing new. The ramp is as long as the pause, within bounds. */
  function lengthen(service: string, caller: string | null, ms: number): boolean {
    if (!services().includes(service)) return false;
    const capped = Math.min(ms, maxPauseMs);
    const endsAt = clock.monotonic() + capped;
    const paused = pauses.get(service) ?? { service: null, callers: new Map<string, Pause>() };
    const known = caller === null ? paused.service : paused.callers.get(caller);
    if (known != null && endsAt <= known.endsAt + noticeableMs) return false;
    const pause = { endsAt, rampMs: Math.min(maxRampMs, Math.max(shortestRampMs, capped)) };
    pauses.set(service, paused);
    if (caller === null) paused.service = pause;
    else remember(paused.callers, caller, pause);
    return true;
  }

  function leftOf({ endsAt, rampMs }: Pause): number {
    const since = clock.monotonic() - endsAt;
    if (since < 0) return Math.ceil(-since + random() * rampMs);
    if (since >= rampMs) return 0;
    return random() * rampMs < since ? 0 : Math.ceil(random() * (rampMs - since));
  }

  const isOver = ({ endsAt, rampMs }: Pause): boolean => clock.monotonic() - endsAt >= rampMs;

  function forgetEnded(): void {
    for (const [service, paused] of pauses) {
      if (paused.service !== null && isOver(paused.service)) paused.service = null;
      for (const [caller, pause] of paused.callers) if (isOver(pause)) paused.callers.delete(caller);
      if (paused.service === null && paused.callers.size === 0) pauses.delete(service);
    }
  }

  return {
    pausedMs(service, caller) {
      const paused = pauses.get(service);
      if (paused === undefined) return 0;
      const own = paused.callers.get(caller);
      return Math.max(
        paused.service === null ? 0 : leftOf(paused.service),
        own === undefined ? 0 : leftOf(own),
      );
    },
    isPaused(service, caller) {
      const paused = pauses.get(service);
      const now = clock.monotonic();
      const ends = (pause: Pause | null | undefined): number => pause?.endsAt ?? -Infinity;
      return now < ends(paused?.service) || now < ends(paused?.callers.get(caller));
    },
    pause(service, caller, ms) {
      if (ms <= 0 || !lengthen(service, caller, ms) || shared === null) return;
      shared
        .pause(service, caller, Math.min(ms, maxPauseMs))
        .catch((error: unknown) => onFailure("sharing a pause", error));
    },
    reserve(service, caller, ms, limit) {
      const now = clock.monotonic();
      const places = waiting.get(service) ?? new Set();
      const mayWait = (): boolean => {
        let own = 0;
        for (const place of places) if (place.caller === caller) own += 1;
        return mayTake(limit, places.size, own, 1);
      };
      if (!mayWait()) for (const place of places) if (place.until <= now) places.delete(place);
      if (!mayWait()) return null;
      const place = { until: now + ms, caller };
      waiting.set(service, places.add(place));
      return () => {
        places.delete(place);
      };
    },
    async refresh() {
      const names = services();
      for (const known of [pauses, waiting])
        for (const name of known.keys()) if (!names.includes(name)) known.delete(name);
      forgetEnded();
      if (shared === null) return;
      try {
        for (const { service, caller, ms } of await shared.pauses(names)) lengthen(service, caller, ms);
      } catch (error) {
        onFailure("reading shared pauses", error);
      }
    },
  };
}

/** The latest last, so that the first is the one to forget. */
function remember(callers: Map<string, Pause>, caller: string, pause: Pause): void {
  callers.delete(caller);
  callers.set(caller, pause);
  if (callers.size > maxPausedCallers) callers.delete(callers.keys().next().value!);
}
