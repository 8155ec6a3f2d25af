/** One seed fixes the load and the fault plan. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** Whole, from `low` to `high` inclusive. */
  between(low: number, high: number): number;
  pick<T>(from: readonly T[]): T;
  /** Another stream, fixed by this one's seed and the name: parts that run side by side do not disturb each other. */
  branch(name: string): Random;
}

/** mulberry32: 32 bits of state are plenty for a plan. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  return {
    next,
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    pick: (from) => from[Math.floor(next() * from.length)]!,
    branch(name) {
      let hash = seed >>> 0;
      for (const letter of name) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193) >>> 0;
      return seeded(hash);
    },
  };
}
