/**
 * Locks for leadership, and for the quorum guard of `ha+quorum`. They never decide a commit: versions and
 * fences do. They are renewed here, by the monotonic clock, and the owner is told when a lock may be lost.
 */
import type { MonotonicMs } from "@sticky-proxy/protocol";
import { LockNodes, LocksUnavailable, type LocksOptions, type NodeLock } from "./lock-nodes.ts";

export interface HeldLock {
  /** Aborts when the lock may no longer be held. */
  readonly signal: AbortSignal;
  /** Gives it back; never throws, since it ends by itself. */
  release(): Promise<void>;
  /** Renews it no longer: it stays until its own end. */
  leave(): void;
}

export interface Locks {
  /**
   * null: somebody else holds it.
   * @throws LocksUnavailable when no quorum answered in time; RangeError when ttlMs is too short for the time limits
   */
  acquire(name: string, ttlMs: number): Promise<HeldLock | null>;
  /**
   * Does the work while leading, until `signal` aborts: waits for the leadership, works, and waits again when it was lost
   * or the work ended. Two leaders may overlap for a moment; the work has to be safe then. The work's own errors go
   * to `onError` and end its turn.
   */
  lead(
    name: string,
    ttlMs: number,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<void>;
  /**
   * The quorum guard: runs the work while holding the lock on most of at least three independent nodes.
   * null: somebody else holds it. @throws as `acquire`, and what the work throws
   */
  withQuorumLock<T>(
    name: string,
    ttlMs: number,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<{ readonly value: T } | null>;
  close(): Promise<void>;
}

/** @throws RangeError when the number of nodes is even */
export function createLocks(options: LocksOptions): Locks {
  const { sleep, onError } = options;
  const nodes = new LockNodes(options);
  const closing = new AbortController();

  async function acquire(name: string, ttlMs: number): Promise<HeldLock | null> {
    const taken = await nodes.take(name, ttlMs);
    return taken === null ? null : hold(nodes, taken, { ...options, ttlMs, closing: closing.signal });
  }

  return {
    acquire,
    async lead(name, ttlMs, signal, work) {
      const ending = AbortSignal.any([signal, closing.signal]);
      while (!ending.aborted) {
        let lock: HeldLock | null = null;
        try {
          lock = await acquire(name, ttlMs);
          if (lock !== null) await work(AbortSignal.any([ending, lock.signal]));
        } catch (error) {
          onError(error as Error);
        } finally {
          await lock?.release();
        }
        await sleep(ttlMs / 6, ending);
      }
    },
    async withQuorumLock(name, ttlMs, work) {
      if (nodes.count < 3) throw new RangeError("the quorum guard needs at least three nodes");
      const lock = await acquire(name, ttlMs);
      if (lock === null) return null;
      try {
        return { value: await work(lock.signal) };
      } finally {
        await lock.release();
      }
    },
    async close() {
      closing.abort();
      await nodes.close();
    },
  };
}

interface HoldOptions extends Pick<LocksOptions, "clock" | "sleep"> {
  readonly ttlMs: number;
  /** Aborts when the locks are closed. */
  readonly closing: AbortSignal;
}

/**
 * Renews every third of the ttl; where too few nodes answer, again until the lock could be another's, counted from
 * when the last renewal that succeeded was sent.
 */
function hold(
  nodes: LockNodes,
  taken: { readonly lock: NodeLock; readonly askedAt: MonotonicMs },
  { ttlMs, clock, sleep, closing }: HoldOptions,
): HeldLock {
  const lost = new AbortController();
  const released = new AbortController();
  const ended = AbortSignal.any([released.signal, closing]);
  let { lock, askedAt: provenAt } = taken;
  const renewing = (async () => {
    let pauseMs = ttlMs / 3;
    while (!ended.aborted && !lost.signal.aborted) {
      await sleep(pauseMs, ended);
      if (ended.aborted) return;
      const sentAt = clock.monotonic();
      const left = provenAt + ttlMs * 0.9 - sentAt; // a tenth for drift between the clocks
      const renewed = left <= 0 ? "refused" : await nodes.extend(lock, ttlMs, left);
      if (renewed === "refused") lost.abort(new LocksUnavailable("the lock was lost"));
      else if (renewed === "unanswered") pauseMs = ttlMs / 20;
      else [lock, provenAt, pauseMs] = [renewed, sentAt, ttlMs / 3];
    }
  })();
  return {
    signal: lost.signal,
    leave: () => released.abort(),
    async release() {
      released.abort();
      await renewing;
      await nodes.release(lock);
    },
  };
}
