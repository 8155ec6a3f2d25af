/** Holds a caller until a process is where the caller wants it, whichever replica moves it there. */
import type { ProcessRef } from "./record.ts";
import type { Changes, ProcessStore, Snapshot } from "./store.ts";

export interface WaitDeps {
  readonly store: Pick<ProcessStore, "read">;
  readonly changes: Changes;
  /** Resolves after ms, or at once when the signal aborts; never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** In [0, 1). */
  readonly chance: () => number;
  /** Monotonic ms. */
  readonly monotonic: () => number;
}

/**
 * Waits until `isEnough` holds, the time is over or the signal aborts, and returns the last snapshot read.
 * The watch is registered before the first read, so no change falls between them; because a notice is delivered at
 * most once, the record is also read again every 1 to 2 s.
 * @throws StoreUnavailable
 */
export async function waitFor(
  deps: WaitDeps,
  ref: ProcessRef,
  isEnough: (snapshot: Snapshot) => boolean,
  options: { timeoutMs: number; signal: AbortSignal; withResult: boolean },
): Promise<Snapshot> {
  const { store, changes, sleep, chance, monotonic } = deps;
  const endsAt = monotonic() + options.timeoutMs;
  let woken = new AbortController();
  const watch = changes.watch(ref, () => woken.abort("changed"));
  try {
    for (;;) {
      woken = new AbortController(); // before the read: a change during it wakes the next sleep at once
      const snapshot = await store.read(ref, { withResult: options.withResult });
      const left = endsAt - monotonic();
      if (isEnough(snapshot) || left <= 0 || options.signal.aborted) return snapshot;
      await sleep(Math.min(left, 1000 + chance() * 1000), AbortSignal.any([woken.signal, options.signal]));
    }
  } finally {
    watch.close();
  }
}
