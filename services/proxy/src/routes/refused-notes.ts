/**
 * Refused reports in the timelines of their processes. Whoever knows a process id can send them, and a timeline is cut at its
 * length: what is written there for strangers is bounded by process and by node, or they would push the process's own
 * entries out. Every refusal counts in callbacks_total.
 */
import { processId, type ProcessRef, type TimelineEntry } from "@sticky-proxy/core/process";

/** A process gets one entry of a kind in so long; the next one tells how many came meanwhile. */
export const windowMs = 60_000;
/** All processes of this node together, in the same time. */
export const maxNotesPerWindow = 60;
const maxRemembered = 10_000;

export interface RefusedNotes {
  /** The entry to write now; null: this one is only counted. */
  next(process: ProcessRef, entry: TimelineEntry): TimelineEntry | null;
}

/** @param now ms, of any clock */
export function createRefusedNotes(now: () => number): RefusedNotes {
  const seen = new Map<string, { notedAt: number; unnoted: number }>();
  let windowBegan = Number.NEGATIVE_INFINITY;
  let notes = 0;

  function takeNote(): boolean {
    if (now() - windowBegan >= windowMs) {
      windowBegan = now();
      notes = 0;
    }
    if (notes >= maxNotesPerWindow) return false;
    notes += 1;
    return true;
  }

  return {
    next(process, entry) {
      const key = `${processId(process)} ${entry.event}`;
      const known = seen.get(key);
      const isRecent = known !== undefined && now() - known.notedAt < windowMs;
      if (isRecent || !takeNote()) {
        if (known !== undefined) known.unnoted += 1;
        return null;
      }
      seen.delete(key); // to the end of the order, which is the order of forgetting
      seen.set(key, { notedAt: now(), unnoted: 0 });
      if (seen.size > maxRemembered) seen.delete(seen.keys().next().value!);
      const missed = known?.unnoted ?? 0;
      return missed === 0 ? entry : { ...entry, before: String(missed) };
    },
  };
}
