/**
 * Counts requests of each holder in fixed windows. A node counts by itself and exchanges counts with the other nodes in
 * batches: it sends what it has counted since the last batch, and receives the total of all nodes, which bounds what it
 * takes from then on. Between two batches a node does not see the others: at worst, at the start of a window, n nodes
 * together take n times the quota.
 */

/** Where a holder stands after one request. */
export interface Allowance {
  /** false: the quota was used up, and the request has not been counted. */
  readonly isWithin: boolean;
  /** Requests in a window. */
  readonly quota: number;
  /** How many more this node would take before the window ends. */
  readonly left: number;
  /** ms until the window ends. */
  readonly resetMs: number;
}

export interface Count {
  readonly holder: string;
  readonly requests: number;
}

export interface RateCounter {
  /** @param now monotonic ms */
  take(holder: string, quota: number, now: number): Allowance;
  /** The counts to send in the next batch, largest first. They count as sent. */
  due(now: number): readonly Count[];
  /** What all nodes have counted in the window that ends in `endsInMs`, including what this node has sent. */
  learn(holder: string, requests: number, endsInMs: number, now: number): void;
}

interface Window {
  readonly quota: number;
  /** Counted by all nodes, as far as this one knows. */
  known: number;
  /** Counted here and not told yet. */
  untold: number;
  endsAt: number;
}

/** Less than this share of a quota is not worth telling. */
const worthTelling = 0.1;

/**
 * @param windowMs length of a window
 * @param maxHolders holders that are counted at once; beyond, the window that began first is forgotten
 * @param batch most counts told at once
 */
export function createRateCounter(windowMs: number, maxHolders = 50_000, batch = 500): RateCounter {
  /** In the order in which the windows began. */
  const windows = new Map<string, Window>();
  const untold = new Set<string>();

  function windowOf(holder: string, quota: number, now: number): Window {
    const found = windows.get(holder);
    if (found !== undefined && now < found.endsAt) return found;
    const fresh = { quota, known: 0, untold: 0, endsAt: now + windowMs };
    windows.delete(holder);
    windows.set(holder, fresh);
    if (windows.size > maxHolders) forget(windows.keys().next().value!);
    return fresh;
  }

  function forget(holder: string): void {
    windows.delete(holder);
    untold.delete(holder);
  }

  return {
    take(holder, quota, now) {
      const window = windowOf(holder, quota, now);
      const left = quota - window.known - window.untold;
      const resetMs = window.endsAt - now;
      if (left <= 0) return { isWithin: false, quota, left: 0, resetMs };
      window.untold += 1;
      untold.add(holder);
      return { isWithin: true, quota, left: left - 1, resetMs };
    },
    due(now) {
      for (const [holder, { endsAt }] of windows) {
        if (now < endsAt) break;
        forget(holder);
      }
      const counts: Count[] = [];
      for (const holder of untold) {
        const window = windows.get(holder);
        if (window === undefined || now >= window.endsAt) untold.delete(holder);
        else if (window.untold >= worthTelling * window.quota)
          counts.push({ holder, requests: window.untold });
      }
      const told = counts.toSorted((a, b) => b.requests - a.requests).slice(0, batch);
      for (const { holder, requests } of told) {
        const window = windows.get(holder)!;
        window.known += requests;
        window.untold = 0;
        untold.delete(holder);
      }
      return told;
    },
    learn(holder, requests, endsInMs, now) {
      const window = windows.get(holder);
      if (window === undefined || now >= window.endsAt) return;
      window.known = requests;
      // A window that others began earlier ends for all at once.
      window.endsAt = Math.min(window.endsAt, now + Math.max(0, endsInMs));
    },
  };
}
