/**
 * How much waits for the secondaries, as far as this node knows: the outbox's lag of the last look, and what this node has
 * added since. New copies stop at the bound, which by default is a share of the store's memory, so that a secondary that is
 * away never takes the room that process state needs.
 */
import { roomFor, type Lag, type Outbox, type StoreMemory } from "@sticky-proxy/core/mirror";
import type { MaxLag } from "@sticky-proxy/core/registry";

export interface Backlog {
  /** As of the last look. */
  readonly lag: ReadonlyMap<string, Lag>;
  /** Whether one more copy of so many bytes may be added. */
  hasRoom(service: string, maxLag: MaxLag, bytes: number): boolean;
  /** A copy has been added here. */
  added(service: string, bytes: number): void;
  /** Looks again. @throws StoreUnavailable */
  refresh(outbox: Pick<Outbox, "lag">): Promise<ReadonlyMap<string, Lag>>;
}

const nothing: Lag = { entries: 0, bytes: 0, parkedKeys: 0, oldestMs: null };

export function createBacklog(memory: () => StoreMemory): Backlog {
  let lag: ReadonlyMap<string, Lag> = new Map();
  let since = new Map<string, { entries: number; bytes: number }>();
  /** Added while a look is under way: the look may have missed it. */
  let during: typeof since = new Map();

  return {
    get lag() {
      return lag;
    },
    hasRoom(service, maxLag, bytes) {
      const seen = lag.get(service) ?? nothing;
      const own = since.get(service) ?? { entries: 0, bytes: 0 };
      const waiting = { ...seen, entries: seen.entries + own.entries, bytes: seen.bytes + own.bytes };
      return roomFor(waiting, maxLag, memory(), bytes);
    },
    added(service, bytes) {
      for (const sums of since === during ? [since] : [since, during]) {
        const { entries, bytes: before } = sums.get(service) ?? { entries: 0, bytes: 0 };
        sums.set(service, { entries: entries + 1, bytes: before + bytes });
      }
    },
    async refresh(outbox) {
      during = new Map();
      lag = await outbox.lag();
      since = during;
      return lag;
    },
  };
}
