/**
 * Clients that wait for a result on this node, or read an event stream: counted by service, bounded in all, since each
 * costs a socket and a timer, and shared fairly among their holders.
 */
import { createFairPool } from "@sticky-proxy/core/budgets";

export interface Waiters {
  /**
   * @param holder whose budget it uses up
   * @returns what to call when the client stops waiting; null: as many clients wait as may, or as many of this holder.
   */
  enter(service: string, holder: string): (() => void) | null;
  /** Every service that ever had one. */
  counts(): ReadonlyMap<string, number>;
}

/** @param onRefused told of each client that finds no place */
export function createWaiters(max: number, onRefused: () => void): Waiters {
  const counts = new Map<string, number>();
  const pool = createFairPool(max);
  const count = (service: string, change: 1 | -1): void => {
    counts.set(service, (counts.get(service) ?? 0) + change);
  };
  return {
    enter(service, holder) {
      if (!pool.take(holder, 1)) {
        onRefused();
        return null;
      }
      count(service, 1);
      let isWaiting = true;
      return () => {
        if (!isWaiting) return;
        isWaiting = false;
        pool.give(holder, 1);
        count(service, -1);
      };
    },
    counts: () => counts,
  };
}
