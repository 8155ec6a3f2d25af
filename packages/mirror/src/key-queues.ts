/**
 * Entries of one partition that were read from the stream and are not settled yet: a queue per key, in the stream's
 * order (R6), and since when a key's first entry is blocked.
 */
import type { OutboxEntry } from "@sticky-proxy/core/mirror";

export class KeyQueues {
  readonly #queues = new Map<string, OutboxEntry[]>();
  readonly #heldUpSince = new Map<string, number>();
  #cursor: string | null = null;
  #size = 0;

  /** The last entry that was read; null: none. */
  get cursor(): string | null {
    return this.#cursor;
  }

  /** Entries of all keys. */
  get size(): number {
    return this.#size;
  }

  keys(): Iterable<string> {
    return this.#queues.keys();
  }

  add(entry: OutboxEntry): void {
    this.#cursor = entry.entryId;
    this.#size++;
    const queue = this.#queues.get(entry.orderKey);
    if (queue === undefined) this.#queues.set(entry.orderKey, [entry]);
    else queue.push(entry);
  }

  /** A key's first entry and the one behind it; null: the key has none. */
  first(key: string): { readonly entry: OutboxEntry; readonly next: OutboxEntry | null } | null {
    const queue = this.#queues.get(key);
    const entry = queue?.[0];
    if (queue === undefined || entry === undefined) {
      this.#queues.delete(key);
      return null;
    }
    return { entry, next: queue[1] ?? null };
  }

  all(key: string): readonly OutboxEntry[] {
    return [...(this.#queues.get(key) ?? [])];
  }

  /** Removes a key's first `count` entries: they are settled or were parked. */
  remove(key: string, count: number): void {
    const queue = this.#queues.get(key);
    this.#size -= queue?.splice(0, count).length ?? 0;
    if (queue?.length === 0) this.#queues.delete(key);
    this.#heldUpSince.delete(key);
  }

  /** How long the key's first entry has been blocked, ms; 0 at the first call. */
  heldUpMs(key: string, now: number): number {
    const since = this.#heldUpSince.get(key);
    if (since === undefined) this.#heldUpSince.set(key, now);
    return now - (since ?? now);
  }

  /** Discards all entries, so that they are read again from the store. */
  forget(): void {
    this.#queues.clear();
    this.#heldUpSince.clear();
    this.#cursor = null;
    this.#size = 0;
  }
}
