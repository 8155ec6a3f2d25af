/** The store's clock as this node keeps it: read once, then counted on by the node's own, and read anew by a task. */
import { asEpochMs, type Clock, type EpochMs } from "@sticky-proxy/protocol";

export interface StoreClock extends Clock {
  /** Reads the store's time anew. Rejects when the store does not answer: the count goes on. */
  refresh(): Promise<void>;
}

/** `readTime`: the store's time, epoch ms. Rejects when the store does not answer. */
export async function openStoreClock(
  readTime: () => Promise<EpochMs>,
  { monotonic }: Pick<Clock, "monotonic">,
): Promise<StoreClock> {
  let ahead = 0;
  async function refresh(): Promise<void> {
    ahead = (await readTime()) - monotonic();
  }
  await refresh();
  return { now: () => asEpochMs(ahead + monotonic()), monotonic, refresh };
}
