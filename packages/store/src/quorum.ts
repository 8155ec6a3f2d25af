/**
 * The quorum guard of profile `ha+quorum`: before each dispatch the scope's lock is taken on most of at least three
 * independent lock nodes, so that a claim which a failover made the state Redis forget runs nothing twice. It only
 * ever refuses; versions and fences go on deciding what counts.
 */
import { StoreUnavailable, type ProcessRecord } from "@sticky-proxy/core";
import type { Locks } from "./locks.ts";

export interface QuorumLocks {
  /** @throws StoreUnavailable when the lock is held elsewhere or no quorum answers */
  hold(record: Pick<ProcessRecord, "scope">, onLost: () => void): Promise<{ release(): Promise<void> }>;
}

const ttlMs = 6000;

export function createQuorumLocks(locks: Locks): QuorumLocks {
  return {
    async hold({ scope }, onLost) {
      const held = await locks.acquire(`scope:${scope}`, ttlMs).catch((cause: unknown) => {
        throw new StoreUnavailable("no quorum of lock nodes", { cause });
      });
      if (held === null)
        throw new StoreUnavailable("another node holds the scope: the store has forgotten a claim");
      held.signal.addEventListener("abort", onLost, { once: true });
      return {
        async release() {
          held.signal.removeEventListener("abort", onLost);
          await held.release();
        },
      };
    },
  };
}
