/** Copies that wait because this sweeper does not know where they go, as metrics: how many, and since when. */
import type { OutboxEntry } from "@sticky-proxy/core/mirror";
import { systemClock, type Metrics } from "@sticky-proxy/runtime";

/** A waiting copy is looked at every second or so; one that was not is elsewhere. */
const forgetMs = 15_000;

export function watchUnknownCopies(metrics: Pick<Metrics, "unknownWork" | "unknownWorkAge">): {
  saw(entry: OutboxEntry): void;
  forget(entry: OutboxEntry): void;
} {
  const seen = new Map<string, { since: number; at: number }>();
  const idOf = ({ orderKey, entryId }: OutboxEntry): string => `${orderKey} ${entryId}`;
  metrics.unknownWork.onScrape(() => {
    const now = systemClock.now();
    let oldest: number = now;
    for (const [id, { since, at }] of seen) {
      if (now - at > forgetMs) seen.delete(id);
      else oldest = Math.min(oldest, since);
    }
    metrics.unknownWork.set({ kind: "copy" }, seen.size);
    metrics.unknownWorkAge.set({ kind: "copy" }, (now - oldest) / 1000);
  });
  return {
    saw: (entry) => void seen.set(idOf(entry), { since: entry.at, at: systemClock.now() }),
    forget: (entry) => void (seen.size > 0 && seen.delete(idOf(entry))),
  };
}
