/**
 * Renews the leases of all processes that its node runs, in batches, and aborts those that were lost.
 * It does not replace fencing: processes of a node that stalls past its lease are taken over, and their
 * versions refuse its late commits (P2). `tick` is called by a loop; spans are monotonic.
 */
import type { Clock } from "@sticky-proxy/protocol";
import type { ProcessRecord, Lease, ProcessStore } from "@sticky-proxy/core/process";

export interface Tracked {
  /** Self-fencing: may this node still dispatch under the lease it believes to hold? */
  mayDispatch(): boolean;
  /** Ends the tracking; called before every commit that ends ownership. */
  release(): void;
}

export interface Watchdog {
  /** @param leasedAt when the write that took the lease was *sent*, monotonic; null: unknown, counts as too old */
  track(
    record: ProcessRecord,
    leasedAt: number | null,
    abort: (reason: "lease-lost" | "stopped") => void,
  ): Tracked;
  /** Renews what is due. @throws never: a store that does not answer is tried again at the next tick. */
  tick(): Promise<void>;
  readonly size: number;
}

interface Entry {
  readonly lease: Lease;
  readonly abort: (reason: "lease-lost" | "stopped") => void;
  /** When the last successful create or renew was *sent*. */
  renewedAt: number;
}

export interface WatchdogDeps {
  readonly store: Pick<ProcessStore, "renew">;
  readonly clock: Pick<Clock, "monotonic">;
  readonly onLost: (lease: Lease) => void;
  readonly onFailure: (error: unknown) => void;
}

export function createWatchdog({ store, clock, onLost, onFailure }: WatchdogDeps): Watchdog {
  const entries = new Map<string, Entry>();

  async function renew(due: readonly Entry[]): Promise<void> {
    const sentAt = clock.monotonic();
    const lost = await store.renew(due.map((entry) => entry.lease));
    const lostKeys = new Set(lost.map(keyOf));
    for (const entry of due) {
      const key = keyOf(entry.lease);
      if (!lostKeys.has(key)) {
        entry.renewedAt = sentAt;
        continue;
      }
      if (entries.get(key) !== entry) continue; // released while the answer was under way: it ended, it was not lost
      entries.delete(key);
      onLost(entry.lease);
      entry.abort("lease-lost");
    }
  }

  return {
    get size() {
      return entries.size;
    },
    track(record, leasedAt, abort) {
      if (record.owner === null) throw new Error("only an owned process can be tracked");
      const { service, partition, scope, epoch, owner, leaseMs } = record;
      const entry: Entry = {
        lease: { service, partition, scope, epoch, owner, leaseMs },
        abort,
        renewedAt: leasedAt ?? -Infinity,
      };
      const key = keyOf(entry.lease);
      entries.set(key, entry);
      return {
        mayDispatch: () => entries.get(key) === entry && clock.monotonic() - entry.renewedAt < leaseMs / 2,
        release() {
          if (entries.get(key) === entry) entries.delete(key);
        },
      };
    },
    async tick() {
      const now = clock.monotonic();
      const due: Entry[] = [];
      for (const entry of entries.values()) {
        if (now - entry.renewedAt >= entry.lease.leaseMs / 3) due.push(entry);
      }
      if (due.length === 0) return;
      try {
        await renew(due);
      } catch (error) {
        onFailure(error);
      }
    },
  };
}

function keyOf(lease: Pick<Lease, "scope" | "epoch">): string {
  return `${lease.scope}.${lease.epoch}`;
}
