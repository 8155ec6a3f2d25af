/**
 * Drains one partition for one owner: keys side by side, one intent at a time within a key, in order (R6).
 *
 * Stream entries are read behind a cursor into a queue per key. A key whose first intent fails, or is held up for
 * long, is parked with all that is queued for it, so the stream moves on; its list is taken up when it is due.
 * After any doubt (the store gave no answer) everything in memory is thrown away and read again: Redis is the truth.
 */
import type { OutboxEntry, ParkedKey, Parking } from "@sticky-proxy/core/mirror";
import { type MirrorEntryDeps, type Turn, type TurnResult, mirrorEntry } from "./mirror-entry.ts";

export interface PartitionDrain {
  /** Reads what is new and starts what can be done; does not wait for it. @throws StoreUnavailable */
  tick(): Promise<void>;
  /** Another owner has the partition: this drain does nothing any more. */
  readonly isLost: boolean;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
  /** Starts nothing any more; what is under way goes on. */
  stop(): void;
}

export interface PartitionDrainDeps extends MirrorEntryDeps {
  readonly onTrouble: (error: unknown) => void;
  /** Cuts sends that are under way. */
  readonly signal: AbortSignal;
}

/** Entries in memory; beyond, held-up keys are parked to make room. */
const maxQueued = 1000;
const peekLimit = 200;
/** A first intent that is held up for this long gives way. */
const heldUpMs = 5000;
const parkedWaitMs = 1000;

export function createPartitionDrain(
  deps: PartitionDrainDeps,
  partition: number,
  owner: number,
): PartitionDrain {
  const { outbox, clock, signal } = deps;
  const queues = new Map<string, OutboxEntry[]>();
  const busy = new Map<string, Promise<void>>();
  const heldUpSince = new Map<string, number>();
  let cursor: string | null = null;
  let queued = 0;
  let isLost = false;
  let inDoubt = false;
  let isStopped = false;
  /** Entries appended before this (store's clock) may have been dealt with by an earlier owner. */
  let freshFrom: number | null = null;

  async function tick(): Promise<void> {
    if (mustEnd()) return;
    if (inDoubt) {
      if (busy.size > 0) return;
      forget();
    }
    const room = maxQueued - queued;
    const peek = await outbox.peek(partition, {
      after: cursor,
      limit: Math.max(1, Math.min(peekLimit, room)),
    });
    freshFrom ??= peek.now;
    if (room > 0) for (const entry of peek.entries) enqueue(entry);
    for (const key of peek.due) start(key, () => drainParked(key));
    for (const key of queues.keys()) start(key, () => drainQueue(key));
  }

  function mustEnd(): boolean {
    return isLost || isStopped || signal.aborted;
  }

  function enqueue(entry: OutboxEntry): void {
    cursor = entry.entryId;
    queued++;
    const queue = queues.get(entry.orderKey);
    if (queue === undefined) queues.set(entry.orderKey, [entry]);
    else queue.push(entry);
  }

  function forget(): void {
    queues.clear();
    heldUpSince.clear();
    cursor = null;
    queued = 0;
    freshFrom = null;
    inDoubt = false;
  }

  function start(key: string, work: () => Promise<void>): void {
    if (busy.has(key) || mustEnd()) return;
    const running = work()
      .catch((error: unknown) => {
        inDoubt = true;
        deps.onTrouble(error);
      })
      .finally(() => busy.delete(key));
    busy.set(key, running);
  }

  async function drainQueue(key: string): Promise<void> {
    for (;;) {
      const queue = queues.get(key);
      const entry = queue?.[0];
      if (queue === undefined || entry === undefined) {
        queues.delete(key);
        return;
      }
      if (mustEnd() || inDoubt) return;
      const state = await outbox.keyState(partition, key);
      if (state.parked) return park(key, queue, null); // O4
      const result = await mirrorEntry(deps, turnOf(entry, queue[1] ?? null, state, null));
      switch (result.kind) {
        case "done":
          queue.shift();
          queued--;
          heldUpSince.delete(key);
          continue;
        case "lost":
          isLost = true;
          return;
        case "blocked":
          if (result.on !== "stop" && mustGiveWay(key)) await park(key, queue, waiting(entry, 0, result.on));
          return;
        case "failed":
          return park(key, queue, parkingOf(entry, result));
      }
    }
  }

  async function drainParked(key: string): Promise<void> {
    while (!mustEnd() && !inDoubt) {
      const parked = await outbox.parkedHead(partition, key);
      if (parked === null || parked.head === null) return;
      const state = await outbox.keyState(partition, key);
      const result = await mirrorEntry(deps, turnOf(parked.head, parked.next, state, parked.key));
      switch (result.kind) {
        case "done":
          continue;
        case "lost":
          isLost = true;
          return;
        case "blocked":
          if (result.on === "stop") return;
          return park(key, [], waiting(parked.head, parked.key.attempts, result.on));
        case "failed":
          return park(key, [], parkingOf(parked.head, result));
      }
    }
  }

  function turnOf(
    entry: OutboxEntry,
    next: OutboxEntry | null,
    state: Turn["state"],
    parked: ParkedKey | null,
  ): Turn {
    // A parked list outlives its owners.
    const mayBeSettled = parked !== null || freshFrom === null || entry.at <= freshFrom;
    return { partition, owner, entry, next, state, parked, mayBeSettled, signal };
  }

  function mustGiveWay(key: string): boolean {
    const since = heldUpSince.get(key);
    if (since === undefined) heldUpSince.set(key, clock.monotonic());
    return queued >= maxQueued || (since !== undefined && clock.monotonic() - since > heldUpMs);
  }

  async function park(key: string, queue: OutboxEntry[], parking: Parking | null): Promise<void> {
    // What is enqueued meanwhile joins the list at the key's next turn.
    const moving = [...queue];
    const parked = await outbox.park(partition, owner, key, moving, parking);
    if (parked === "lost") {
      isLost = true;
      return;
    }
    queue.splice(0, moving.length);
    queued -= moving.length;
    heldUpSince.delete(key);
    if (queues.get(key)?.length === 0) queues.delete(key);
  }

  return {
    tick,
    get isLost() {
      return isLost;
    },
    async idle() {
      while (busy.size > 0) await Promise.all(busy.values());
    },
    stop() {
      isStopped = true;
    },
  };
}

function parkingOf(entry: OutboxEntry, failed: Extract<TurnResult, { kind: "failed" }>): Parking {
  const { reason, inMs, error, attempts } = failed;
  return { service: entry.service, reason, inMs, error, attempts };
}

function waiting(entry: OutboxEntry, attempts: number, on: string): Parking {
  return { service: entry.service, reason: "waiting", inMs: parkedWaitMs, error: `the ${on}`, attempts };
}
