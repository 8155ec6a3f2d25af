/**
 * The quorum guard of profile `ha+quorum`: before each dispatch the scope's lock is taken on most of at least three
 * independent lock nodes, so that a claim which a failover made the state Redis forget runs nothing twice. It only
 * ever refuses; versions and fences go on deciding what counts.
 */
import { StoreUnavailable, type ProcessRecord } from "@sticky-proxy/core/process";
import type { Keys } from "../keys.ts";
import type { LocksOptions } from "./lock-nodes.ts";
import { createLocks, type Locks } from "./locks.ts";
import type { RedisTarget } from "../redis/redis.ts";

export interface HeldScope {
  release(): Promise<void>;
  /** Renews it no longer: it stays until its own end. */
  leave(): void;
}

export interface QuorumLocks {
  /** @throws StoreUnavailable when the lock is held elsewhere or no quorum answers */
  hold(record: Pick<ProcessRecord, "scope">, onLost: () => void): Promise<HeldScope>;
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
      const forget = (): void => held.signal.removeEventListener("abort", onLost);
      return {
        async release() {
          forget();
          await held.release();
        },
        leave() {
          forget();
          held.leave();
        },
      };
    },
  };
}

export interface NodeLocks {
  /** For leadership, on the state Redis. */
  readonly locks: Locks;
  /** null: the profile wants none. */
  readonly guard: QuorumLocks | null;
  close(): Promise<void>;
}

export interface NodeLocksOptions extends Pick<LocksOptions, "clock" | "sleep" | "onError"> {
  readonly target: RedisTarget;
  readonly keys: Keys;
  /** URLs of the independent lock Redises; empty: no quorum guard. */
  readonly lockNodes: readonly string[];
}

/** What one node holds locks with. @throws RangeError when the number of lock nodes is even */
export function openNodeLocks({ target, keys, lockNodes, ...shared }: NodeLocksOptions): NodeLocks {
  const open = (targets: readonly RedisTarget[]): Locks =>
    createLocks({ ...shared, targets, keyOf: (name) => keys.lock(name) });
  const locks = open([target]);
  const quorum = lockNodes.length === 0 ? null : open(lockNodes.map((url) => ({ url })));
  return {
    locks,
    guard: quorum === null ? null : createQuorumLocks(quorum),
    async close() {
      await Promise.all([locks.close(), quorum?.close()]);
    },
  };
}
