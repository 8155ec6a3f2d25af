/**
 * redlock behind a guard; the only file that knows it. For leadership, and for the quorum guard of `ha+quorum`.
 * Never to decide a commit: that is what versions and fences are for.
 *
 * The library hangs on an even split or a silent node, and may hand out a lock past its end. So every call has a time
 * limit, every span is monotonic, a lock that took half its time to get is given back, and we renew it ourselves.
 */
import { CodedError, type Clock } from "@sticky-proxy/protocol";
import Redlock, { ExecutionError, type Lock, ResourceLockedError } from "redlock";
import {
  type Connection,
  closeConnection,
  openConnection,
  type RedisTarget,
  untilReady,
} from "../redis/redis.ts";

/** Too few lock nodes answered in time: nobody knows who holds the lock. */
export class LocksUnavailable extends CodedError {
  override readonly name = "LocksUnavailable";
  override readonly code = "LOCKS_UNAVAILABLE";
}

export interface HeldLock {
  /** Aborts when the lock may no longer be held. */
  readonly signal: AbortSignal;
  /** Gives it back; never throws, since it ends by itself. */
  release(): Promise<void>;
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

export interface LocksOptions {
  /** One Redis for leadership; an odd number of independent ones, at least 3, for the quorum guard. */
  readonly targets: readonly RedisTarget[];
  /** Key of a lock, from `Keys.lock`. */
  readonly keyOf: (name: string) => string;
  /** Per command; a lock's ttl is at least ten times this. Default 300. */
  readonly commandTimeoutMs?: number;
  readonly clock: Pick<Clock, "monotonic">;
  /** Resolves after the time, or at once when the signal aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly onError: (error: Error) => void;
}

const connectWaitMs = 2000;

/** @throws RangeError when the number of nodes is even */
export function createLocks(options: LocksOptions): Locks {
  const { targets, keyOf, clock, sleep, onError } = options;
  const commandTimeoutMs = options.commandTimeoutMs ?? 300;
  if (targets.length % 2 === 0) throw new RangeError("locks need an odd number of nodes");
  const clients = targets.map((target): Connection => {
    const client = openConnection(target, "writes", commandTimeoutMs);
    client.on("error", onError);
    client.connect().catch(() => {}); // reported by the event; the client tries again
    return client;
  });
  const redlock = new Redlock(clients, { retryCount: 0, automaticExtensionThreshold: 0 });
  redlock.on("error", () => {}); // each node's vote; the outcome is what counts
  const closing = new AbortController();
  // Before the first connections are made every answer would be "no quorum": a node's first requests wait for them.
  const opened = untilMostReady(clients);

  /** The value, or null when it took longer than `ms`. */
  async function within<T>(work: Promise<T>, ms: number): Promise<T | null> {
    const done = new AbortController();
    try {
      return await Promise.race([work, sleep(ms, done.signal).then(() => null)]);
    } finally {
      done.abort();
    }
  }

  async function acquire(name: string, ttlMs: number): Promise<HeldLock | null> {
    if (ttlMs < 10 * commandTimeoutMs) {
      throw new RangeError(`a lock of ${ttlMs} ms is too short for commands of ${commandTimeoutMs} ms`);
    }
    await opened;
    const startedAt = clock.monotonic();
    const acquiring = redlock.acquire([keyOf(name)], ttlMs);
    let lock: Lock | null;
    try {
      lock = await within(acquiring, ttlMs / 2);
    } catch (error) {
      if ((await refusals(error)) > 0) return null;
      throw new LocksUnavailable(`no quorum for the lock "${name}"`, { cause: error });
    }
    if (lock === null || clock.monotonic() - startedAt >= ttlMs / 2) {
      acquiring.then(release, () => {}); // too late to trust: give it back whenever it comes
      throw new LocksUnavailable(`the lock "${name}" took too long`);
    }
    return hold(lock, ttlMs, startedAt);
  }

  /**
   * Renews every third of the ttl; where too few nodes answer, again until the lock could be another's, counted from
   * when the last renewal that succeeded was sent.
   */
  function hold(first: Lock, ttlMs: number, startedAt: number): HeldLock {
    const lost = new AbortController();
    const released = new AbortController();
    const ended = AbortSignal.any([released.signal, closing.signal]);
    let lock = first;
    let provenAt = startedAt;
    const renewing = (async () => {
      let pauseMs = ttlMs / 3;
      while (!ended.aborted && !lost.signal.aborted) {
        await sleep(pauseMs, ended);
        if (ended.aborted) return;
        const sentAt = clock.monotonic();
        const left = provenAt + ttlMs * 0.9 - sentAt; // a tenth for drift between the clocks
        const renewed = left <= 0 ? "refused" : ((await within(extended(lock, ttlMs), left)) ?? "refused");
        if (renewed === "refused") lost.abort(new LocksUnavailable("the lock was lost"));
        else if (renewed === "unanswered") pauseMs = ttlMs / 20;
        else [lock, provenAt, pauseMs] = [renewed, sentAt, ttlMs / 3];
      }
    })();
    return {
      signal: lost.signal,
      async release() {
        released.abort();
        await renewing;
        await release(lock);
      },
    };
  }

  async function extended(lock: Lock, ttlMs: number): Promise<Lock | "refused" | "unanswered"> {
    try {
      return await lock.extend(ttlMs);
    } catch (error) {
      return (await refusals(error)) * 2 > clients.length ? "refused" : "unanswered";
    }
  }

  async function release(lock: Lock): Promise<void> {
    try {
      await within(lock.release(), 2 * commandTimeoutMs);
    } catch {
      // it ends by itself
    }
  }

  /** Nodes that said that the lock is another's, not those that were silent. */
  async function refusals(error: unknown): Promise<number> {
    if (!(error instanceof ExecutionError)) return 0;
    const last = error.attempts.at(-1);
    const stats = last === undefined ? null : await within(last, 2 * commandTimeoutMs);
    if (stats === null) return 0;
    return [...stats.votesAgainst.values()].filter((vote) => vote instanceof ResourceLockedError).length;
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
      if (clients.length < 3) throw new RangeError("the quorum guard needs at least three nodes");
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
      await Promise.all(clients.map(closeConnection));
    },
  };
}

/** Resolves when more than half of them take commands, or after a while. */
async function untilMostReady(clients: readonly Connection[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let ready = 0;
  const each = clients.map(async (client) => {
    if ((await untilReady(client, connectWaitMs)) && ++ready * 2 > clients.length) resolve();
  });
  await Promise.race([promise, Promise.all(each)]);
}
