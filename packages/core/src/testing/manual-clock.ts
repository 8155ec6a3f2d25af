/** Time that only moves when a test says so. */
export interface ManualClock {
  /** Wall clock, epoch ms. Bound, so that it can be handed over as a function. */
  readonly now: () => number;
  /** The same time as monotonic ms. */
  readonly monotonic: () => number;
  readonly advance: (ms: number) => void;
}

export function createManualClock(start = 1_700_000_000_000): ManualClock {
  let now = start;
  return {
    now: () => now,
    monotonic: () => now,
    advance: (ms) => {
      now += ms;
    },
  };
}
