/** Clients that wait for a result on this node: counted by service, bounded in all, since each costs a socket and a timer. */
export interface Waiters {
  /** @returns what to call when the client stops waiting; null: as many clients wait as may. */
  enter(service: string): (() => void) | null;
  /** Every service that ever had one. */
  counts(): ReadonlyMap<string, number>;
}

export function createWaiters(max: number): Waiters {
  const counts = new Map<string, number>();
  let total = 0;
  const add = (service: string, change: 1 | -1): void => {
    total += change;
    counts.set(service, (counts.get(service) ?? 0) + change);
  };
  return {
    enter(service) {
      if (total >= max) return null;
      add(service, 1);
      let isWaiting = true;
      return () => {
        if (isWaiting) add(service, -1);
        isWaiting = false;
      };
    },
    counts: () => counts,
  };
}
