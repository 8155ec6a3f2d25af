import { asEpochMs, asMonotonicMs, type EpochMs, type MonotonicMs } from "@sticky-proxy/protocol";

/** Time that only moves when a test says so. */
export interface ManualClock {
  /** Wall clock, epoch ms. Bound, so that it can be handed over as a function. */
  readonly now: () => EpochMs;
  /** The same time as monotonic ms. */
  readonly monotonic: () => MonotonicMs;
  readonly advance: (ms: number) => void;
}

export function createManualClock(start = 1_700_000_000_000): ManualClock {
  let now = start;
  return {
    now: () => asEpochMs(now),
    monotonic: () => asMonotonicMs(now),
    advance: (ms) => {
      now += ms;
    },
  };
}
