/**
 * A bounded resource that several holders share. A holder may have at most nine times of what would be left: alone it gets
 * nine tenths of the pool, and the fuller the pool, the smaller the bound, so that the largest holder is refused first and
 * who has nothing yet still finds a place (dynamic thresholds; Choudhury and Hahne, IEEE/ACM ToN 6(2), 1998).
 */

/** In a smaller pool a tenth is nothing that could be left free. */
const smallestShared = 4;
const timesTheRest = 9;

/**
 * Whether a holder of `own` units may have `amount` more of a pool of `size` units, of which `used` are taken by all.
 * A holder without any gets the last ones too.
 */
export function mayTake(size: number, used: number, own: number, amount: number): boolean {
  const rest = size - used - amount;
  if (rest < 0) return false;
  return own === 0 || size < smallestShared || own + amount <= timesTheRest * rest;
}

/** The most of such a pool that a lone holder gets. */
export function shareOf(size: number): number {
  return size < smallestShared ? size : Math.floor((size * timesTheRest) / (timesTheRest + 1));
}

interface FairPool {
  /** false: the pool is full, or this holder has its share. What was taken must be given back. */
  take(holder: string, amount: number): boolean;
  give(holder: string, amount: number): void;
  /** Units taken by all. */
  readonly used: number;
  /** Units taken by this holder. */
  heldBy(holder: string): number;
}

export function createFairPool(size: number): FairPool {
  const held = new Map<string, number>();
  let used = 0;
  return {
    take(holder, amount) {
      const own = held.get(holder) ?? 0;
      if (!mayTake(size, used, own, amount)) return false;
      held.set(holder, own + amount);
      used += amount;
      return true;
    },
    give(holder, amount) {
      const left = (held.get(holder) ?? 0) - amount;
      used -= amount;
      if (left > 0) held.set(holder, left);
      else held.delete(holder); // so that the map grows with those who hold something, not with those who ever did
    },
    get used() {
      return used;
    },
    heldBy: (holder) => held.get(holder) ?? 0,
  };
}
