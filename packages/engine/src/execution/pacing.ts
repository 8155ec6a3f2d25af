/**
 * The pause that a service asked for with 429 or 503 and Retry-After: kept by every replica, shared through a port,
 * and ended on a ramp, so that the service is not met at once by all that waited.
 *
 * While it lasts, work waits until its end and a random part of the ramp; on the ramp, a growing share goes at once.
 * The local view decides; the shared one only ever lengthens it. Without the shared one each replica learns by itself.
 */
import type { Clock } from "@sticky-proxy/protocol";
/** The shared pause of a service that asked for one. */
export interface Pacing {
  /** ms that the service is still paused; 0: not. */
  pausedMs(service: string): number;
  /** The pause itself is not over; the ramp after it does not count. */
  isPaused(service: string): boolean;
  pause(service: string, ms: number): void;
  /**
   * Takes a place among the work that waits for a paused service on this replica. Returns how to give it back early
   * (it ends by itself after `ms`), or null: `limit` places are taken.
   */
  reserve(service: string, ms: number, limit: number): (() => void) | null;
}

/** Where replicas share pauses. */
export interface SharedPauses {
  /** Pauses for `ms` from now, unless a longer pause stands. */
  pause(service: string, ms: number): Promise<void>;
  /** ms left for each of these services that is paused. */
  pauses(services: readonly string[]): Promise<ReadonlyMap<string, number>>;
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

interface Pause {
  readonly endsAt: number;
  readonly rampMs: number;
}

export function createPacing({ shared, services, clock, random, onFailure }: PacingDeps): ServicePacing {
  const pauses = new Map<string, Pause>();
  const waiting = new Map<string, Set<{ readonly until: number }>>();

  /** false: nothing new. The ramp is as long as the pause, within bounds. */
  function lengthen(service: string, ms: number): boolean {
    if (!services().includes(service)) return false;
    const capped = Math.min(ms, maxPauseMs);
    const endsAt = clock.monotonic() + capped;
    const known = pauses.get(service);
    if (known !== undefined && endsAt <= known.endsAt + noticeableMs) return false;
    const rampMs = Math.min(maxRampMs, Math.max(shortestRampMs, capped));
    pauses.set(service, { endsAt, rampMs });
    return true;
  }

  return {
    pausedMs(service) {
      const pause = pauses.get(service);
      if (pause === undefined) return 0;
      const { endsAt, rampMs } = pause;
      const since = clock.monotonic() - endsAt;
      if (since < 0) return Math.ceil(-since + random() * rampMs);
      if (since >= rampMs) {
        pauses.delete(service);
        return 0;
      }
      return random() * rampMs < since ? 0 : Math.ceil(random() * (rampMs - since));
    },
    isPaused: (service) => clock.monotonic() < (pauses.get(service)?.endsAt ?? -Infinity),
    pause(service, ms) {
      if (ms <= 0 || !lengthen(service, ms) || shared === null) return;
      shared
        .pause(service, Math.min(ms, maxPauseMs))
        .catch((error: unknown) => onFailure("sharing a pause", error));
    },
    reserve(service, ms, limit) {
      const now = clock.monotonic();
      const places = waiting.get(service) ?? new Set();
      if (places.size >= limit) for (const place of places) if (place.until <= now) places.delete(place);
      if (places.size >= limit) return null;
      const place = { until: now + ms };
      waiting.set(service, places.add(place));
      return () => {
        places.delete(place);
      };
    },
    async refresh() {
      const names = services();
      for (const known of [pauses, waiting])
        for (const name of known.keys()) if (!names.includes(name)) known.delete(name);
      if (shared === null) return;
      try {
        for (const [service, ms] of await shared.pauses(names)) lengthen(service, ms);
      } catch (error) {
        onFailure("reading shared pauses", error);
      }
    },
  };
}
