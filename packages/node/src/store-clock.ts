/** This node's copy of the store's clock: read once, advanced by the node's monotonic clock, and read again by a task. */
import { asEpochMs, type Clock, type EpochMs } from "@sticky-proxy/protocol";

export interface StoreClock extends Clock {
  /** Reads the store's time again. Rejects when the store does not answer: the copy keeps advancing. */
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
