import { asEpochMs, asMonotonicMs, type Clock } from "@sticky-proxy/protocol";

/** Time that only moves when a test says so. now() and monotonic() tell the same number. */
export interface ManualClock extends Clock {
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
