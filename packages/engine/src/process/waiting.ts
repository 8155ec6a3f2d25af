/** Awaits a state of a process, whichever replica changes it. */
import type { Clock } from "@sticky-proxy/protocol";
import {
  type ProcessRef,
  StoreUnavailable,
  type Changes,
  type ProcessStore,
  type Snapshot,
} from "@sticky-proxy/core/process";

export interface WaitDeps {
  readonly store: Pick<ProcessStore, "read">;
  readonly changes: Changes;
  /** Resolves after ms, or at once when the signal aborts; never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** In [0, 1). */
  readonly random: () => number;
  readonly clock: Pick<Clock, "monotonic">;
}

/**
 * Waits until `isEnough` holds, the time is over or the signal aborts, and returns the last snapshot read.
 * The watch is registered before the first read, so no change falls between them; because a notice is delivered at
 * most once, the record is also read again every 1 to 2 s. A temporary outage of the store ends no wait: the
 * process continues without it.
 * @throws StoreUnavailable when the store is unavailable at the end
 */
export async function waitFor(
  deps: WaitDeps,
  ref: ProcessRef,
  isEnough: (snapshot: Snapshot) => boolean,
  options: { timeoutMs: number; signal: AbortSignal; withResult: boolean },
): Promise<Snapshot> {
  const { store, changes, sleep, random, clock } = deps;
  const endsAt = clock.monotonic() + options.timeoutMs;
  let woken = new AbortController();
  async function read(): Promise<Snapshot | StoreUnavailable> {
    try {
      return await store.read(ref, { withResult: options.withResult });
    } catch (error) {
      if (error instanceof StoreUnavailable) return error;
      throw error;
    }
  }
  const watch = changes.watch(ref, () => woken.abort("changed"));
  try {
    for (;;) {
      woken = new AbortController(); // before the read: a change during it wakes the next sleep at once
      const snapshot = await read();
      const left = endsAt - clock.monotonic();
      const isOver = left <= 0 || options.signal.aborted;
      if (snapshot instanceof StoreUnavailable) {
        if (isOver) throw snapshot;
      } else if (isOver || isEnough(snapshot)) return snapshot;
      await sleep(Math.min(left, 1000 + random() * 1000), AbortSignal.any([woken.signal, options.signal]));
    }
  } finally {
    watch.close();
  }
}
