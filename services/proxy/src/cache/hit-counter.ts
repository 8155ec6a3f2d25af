/** Counts uses of stored responses and reports them to the store at most once a second. */
import type { CacheDeps } from "./cache-deps.ts";

export interface HitCounter {
  count(key: string): void;
  /** Reports the pending counts. */
  flush(): Promise<void>;
}

const flushMs = 1000;
const maxPending = 10_000;

export function createHitCounter({ store, monotonic }: Pick<CacheDeps, "store" | "monotonic">): HitCounter {
  let pending = new Map<string, number>();
  let flushedAt = monotonic();

  async function flush(): Promise<void> {
    if (pending.size === 0) return;
    const hits = pending;
    pending = new Map();
    flushedAt = monotonic();
    await store.recordHits(hits).catch(() => {}); // counts are best effort
  }

  return {
    count(key) {
      if (pending.size < maxPending || pending.has(key)) pending.set(key, (pending.get(key) ?? 0) + 1);
      if (monotonic() - flushedAt > flushMs) void flush();
    },
    flush,
  };
}
