/** Clients held for a result on this node: counted by service, bounded in all, since each costs a socket and a timer. */
export interface Waiters {
  /** Call what it returns once the client is let go. null: as many are held as may be; this one is not. */
  hold(service: string): (() => void) | null;
  /** Every service that ever had one. */
  counts(): ReadonlyMap<string, number>;
}

export function createWaiters(most: number): Waiters {
  const counts = new Map<string, number>();
  let held = 0;
  return {
    hold(service) {
      if (held >= most) return null;
      held += 1;
      counts.set(service, (counts.get(service) ?? 0) + 1);
      let isHeld = true;
      return () => {
        if (!isHeld) return;
        isHeld = false;
        held -= 1;
        counts.set(service, (counts.get(service) ?? 1) - 1);
      };
    },
    counts: () => counts,
  };
}
