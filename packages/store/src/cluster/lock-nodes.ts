/**
 * The Redises that hold locks, through redlock; the only file that knows it.
 *
 * The library hangs on an even split or a silent node, and may hand out a lock past its end. So every call has a time
 * limit, every span is monotonic, and a lock whose acquisition took half its TTL is released.
 */
import { CodedError, type Clock, type MonotonicMs } from "@sticky-proxy/protocol";
import Redlock, { ExecutionError, type Lock, ResourceLockedError } from "redlock";
import {
  type Connection,
  closeConnection,
  openConnection,
  type RedisTarget,
  untilReady,
} from "../redis/redis.ts";

/** Too few lock nodes answered in time: the owner of the lock is unknown. */
export class LocksUnavailable extends CodedError {
  override readonly name = "LocksUnavailable";
  override readonly code = "LOCKS_UNAVAILABLE";
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

/** A lock that a majority of the nodes has granted. */
export type NodeLock = Pick<Lock, "extend" | "release">;

export class LockNodes {
  readonly #options: LocksOptions;
  readonly #commandTimeoutMs: number;
  readonly #clients: readonly Connection[];
  readonly #redlock: Redlock;
  /** Before the first connections are made every answer would be "no quorum": a node's first requests wait for them. */
  readonly #opened: Promise<void>;

  /** @throws RangeError when the number of nodes is even */
  constructor(options: LocksOptions) {
    const { targets, onError } = options;
    if (targets.length % 2 === 0) throw new RangeError("locks need an odd number of nodes");
    this.#options = options;
    this.#commandTimeoutMs = options.commandTimeoutMs ?? 300;
    this.#clients = targets.map((target): Connection => {
      const client = openConnection(target, "writes", this.#commandTimeoutMs);
      client.on("error", onError);
      client.connect().catch(() => {}); // reported by the event; the client tries again
      return client;
    });
    this.#redlock = new Redlock([...this.#clients], { retryCount: 0, automaticExtensionThreshold: 0 });
    this.#redlock.on("error", () => {}); // each node's vote; the outcome is what counts
    this.#opened = untilMostReady(this.#clients);
  }

  get count(): number {
    return this.#clients.length;
  }

  /**
   * `askedAt`: the lock's time counts from here. null: somebody else holds it.
   * @throws LocksUnavailable when no quorum answered in time; RangeError when ttlMs is too short for the time limits
   */
  async take(
    name: string,
    ttlMs: number,
  ): Promise<{ readonly lock: NodeLock; readonly askedAt: MonotonicMs } | null> {
    const { clock, keyOf } = this.#options;
    if (ttlMs < 10 * this.#commandTimeoutMs) {
      throw new RangeError(`a lock of ${ttlMs} ms is too short for commands of ${this.#commandTimeoutMs} ms`);
    }
    await this.#opened;
    const askedAt = clock.monotonic();
    const acquiring = this.#redlock.acquire([keyOf(name)], ttlMs);
    let lock: Lock | null;
    try {
      lock = await this.#within(acquiring, ttlMs / 2);
    } catch (error) {
      if ((await this.#refusals(error)) > 0) return null;
      throw new LocksUnavailable(`no quorum for the lock "${name}"`, { cause: error });
    }
    if (lock === null || clock.monotonic() - askedAt >= ttlMs / 2) {
      acquiring.then(
        (late) => this.release(late),
        () => {},
      ); // too late to be valid: release it when it arrives
      throw new LocksUnavailable(`the lock "${name}" took too long`);
    }
    return { lock, askedAt };
  }

  /** "refused": it is another's, or nothing came within `ms`; "unanswered": too few nodes answered. */
  async extend(lock: NodeLock, ttlMs: number, ms: number): Promise<NodeLock | "refused" | "unanswered"> {
    const extending = lock.extend(ttlMs).catch(async (error: unknown) => {
      const isAnothers = (await this.#refusals(error)) * 2 > this.#clients.length;
      return isAnothers ? ("refused" as const) : ("unanswered" as const);
    });
    return (await this.#within(extending, ms)) ?? "refused";
  }

  /** Never rejects. */
  async release(lock: NodeLock): Promise<void> {
    try {
      await this.#within(lock.release(), 2 * this.#commandTimeoutMs);
    } catch {
      // it ends by itself
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map(closeConnection));
  }

  /** The value, or null when it took longer than `ms`. */
  async #within<T>(work: Promise<T>, ms: number): Promise<T | null> {
    const done = new AbortController();
    try {
      return await Promise.race([work, this.#options.sleep(ms, done.signal).then(() => null)]);
    } finally {
      done.abort();
    }
  }

  /** Number of nodes that report another owner; nodes without a reply do not count. */
  async #refusals(error: unknown): Promise<number> {
    if (!(error instanceof ExecutionError)) return 0;
    const last = error.attempts.at(-1);
    const stats = last === undefined ? null : await this.#within(last, 2 * this.#commandTimeoutMs);
    if (stats === null) return 0;
    return [...stats.votesAgainst.values()].filter((vote) => vote instanceof ResourceLockedError).length;
  }
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
