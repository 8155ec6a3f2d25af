/**
 * Drains one partition for one owner: keys concurrently, one intent at a time within a key, in order (R6).
 *
 * Stream entries are read from a cursor into a queue per key. A key whose first intent fails, or is blocked for
 * long, is parked with its queue, so the stream advances; its list is resumed when it is due.
 * After a failed store call the state in memory is discarded and read again: Redis has the truth.
 */
import type { OutboxEntry, ParkedKey, Parking } from "@sticky-proxy/core/mirror";
import { KeyQueues } from "./key-queues.ts";
import { type MirrorEntryDeps, type Turn, type TurnResult, mirrorEntry } from "./mirror-entry.ts";

export interface PartitionDrain {
  /** Reads new entries and starts those that can be processed, without awaiting them. @throws StoreUnavailable */
  tick(): Promise<void>;
  /** true: another owner has the partition, and this drain has ended. */
  readonly isLost: boolean;
  /** Resolves when no entry is being processed. */
  idle(): Promise<void>;
  /** Starts no further entry; running ones continue. */
  stop(): void;
}

export interface PartitionDrainDeps extends MirrorEntryDeps {
  /** Resolves after a look at the migrations that began after the call (M4). @throws StoreUnavailable */
  readonly latestServices: () => Promise<void>;
  readonly onTrouble: (error: unknown) => void;
  /** A key stands aside until an operator says how it goes on. */
  readonly onStopped: (orderKey: string, partition: number, parking: Parking) => void;
  /** Aborts running sends. */
  readonly signal: AbortSignal;
}

/** Largest number of entries in memory; above it blocked keys are parked. */
const maxQueued = 1000;
const peekLimit = 200;
/** A key whose first intent is blocked for this long is parked. */
const heldUpMs = 5000;
const parkedWaitMs = 1000;

export function createPartitionDrain(
  deps: PartitionDrainDeps,
  partition: number,
  owner: number,
): PartitionDrain {
  return new Drain(deps, partition, owner);
}

class Drain implements PartitionDrain {
  readonly #deps: PartitionDrainDeps;
  readonly #partition: number;
  readonly #owner: number;
  readonly #queues = new KeyQueues();
  /** Keys with a running entry. */
  readonly #busy = new Map<string, Promise<void>>();
  /** Entries that were appended before this (store's clock) may have been settled by an earlier owner. */
  #freshFrom: number | null = null;
  #isLost = false;
  #inDoubt = false;
  #isStopped = false;

  constructor(deps: PartitionDrainDeps, partition: number, owner: number) {
    this.#deps = deps;
    this.#partition = partition;
    this.#owner = owner;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  async tick(): Promise<void> {
    if (this.#mustEnd()) return;
    if (this.#inDoubt) {
      if (this.#busy.size > 0) return;
      this.#queues.forget();
      this.#freshFrom = null;
      this.#inDoubt = false;
    }
    const room = maxQueued - this.#queues.size;
    const peek = await this.#deps.outbox.peek(this.#partition, {
      after: this.#queues.cursor,
      limit: Math.max(1, Math.min(peekLimit, room)),
    });
    if (peek.entries.length > 0 || peek.due.length > 0) await this.#deps.latestServices();
    this.#freshFrom ??= peek.now;
    if (room > 0) for (const entry of peek.entries) this.#queues.add(entry);
    for (const key of peek.due) this.#start(key, () => this.#drainParked(key));
    for (const key of this.#queues.keys()) this.#start(key, () => this.#drainQueue(key));
  }

  async idle(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy.values());
  }

  stop(): void {
    this.#isStopped = true;
  }

  #mustEnd(): boolean {
    return this.#isLost || this.#isStopped || this.#deps.signal.aborted;
  }

  #start(key: string, work: () => Promise<void>): void {
    if (this.#busy.has(key) || this.#mustEnd()) return;
    const running = work()
      .catch((error: unknown) => {
        this.#inDoubt = true;
        this.#deps.onTrouble(error);
      })
      .finally(() => this.#busy.delete(key));
    this.#busy.set(key, running);
  }

  async #drainQueue(key: string): Promise<void> {
    for (let first = this.#queues.first(key); first !== null; first = this.#queues.first(key)) {
      if (this.#mustEnd() || this.#inDoubt) return;
      const { entry, next } = first;
      const state = await this.#deps.outbox.keyState(this.#partition, key);
      if (state.parked) return this.#park(key, this.#queues.all(key), null); // O4
      const result = await this.#mirror(entry, next, state, null);
      switch (result.kind) {
        case "done":
          this.#queues.remove(key, 1);
          continue;
        case "lost":
          this.#isLost = true;
          return;
        case "blocked":
          if (result.on === "stop" || !this.#mustGiveWay(key)) return;
          return this.#park(key, this.#queues.all(key), waiting(entry, 0, result.on));
        case "failed":
          return this.#park(key, this.#queues.all(key), parkingOf(entry, result));
      }
    }
  }

  async #drainParked(key: string): Promise<void> {
    while (!this.#mustEnd() && !this.#inDoubt) {
      const parked = await this.#deps.outbox.parkedHead(this.#partition, key);
      if (parked === null || parked.head === null) return;
      const state = await this.#deps.outbox.keyState(this.#partition, key);
      const result = await this.#mirror(parked.head, parked.next, state, parked.key);
      switch (result.kind) {
        case "done":
          continue;
        case "lost":
          this.#isLost = true;
          return;
        case "blocked":
          if (result.on === "stop") return;
          return this.#park(key, [], waiting(parked.head, parked.key.attempts, result.on));
        case "failed":
          return this.#park(key, [], parkingOf(parked.head, result));
      }
    }
  }

  #mirror(
    entry: OutboxEntry,
    next: OutboxEntry | null,
    state: Turn["state"],
    parked: ParkedKey | null,
  ): Promise<TurnResult> {
    // A parked list may be from an earlier owner.
    const mayBeSettled = parked !== null || this.#freshFrom === null || entry.at <= this.#freshFrom;
    const { signal } = this.#deps;
    return mirrorEntry(this.#deps, {
      partition: this.#partition,
      owner: this.#owner,
      entry,
      next,
      state,
      parked,
      mayBeSettled,
      signal,
    });
  }

  #mustGiveWay(key: string): boolean {
    const waitedMs = this.#queues.heldUpMs(key, this.#deps.clock.monotonic());
    return this.#queues.size >= maxQueued || waitedMs > heldUpMs;
  }

  /** `moving`: the key's current queue; entries that are added meanwhile join the parked list at the key's next turn. */
  async #park(key: string, moving: readonly OutboxEntry[], parking: Parking | null): Promise<void> {
    const parked = await this.#deps.outbox.park(this.#partition, this.#owner, key, [...moving], parking);
    if (parked === "parked" && parking !== null && parking.inMs === null)
      this.#deps.onStopped(key, this.#partition, parking);
    if (parked === "lost") {
      this.#isLost = true;
      return;
    }
    this.#queues.remove(key, moving.length);
  }
}

function parkingOf(entry: OutboxEntry, failed: Extract<TurnResult, { kind: "failed" }>): Parking {
  const { reason, inMs, error, attempts } = failed;
  return { service: entry.service, reason, inMs, error, attempts };
}

function waiting(entry: OutboxEntry, attempts: number, on: string): Parking {
  return { service: entry.service, reason: "waiting", inMs: parkedWaitMs, error: `the ${on}`, attempts };
}
