/**
 * How much the secondary is given at once (R9): additive increase while it answers, halved when it does not, and
 * after several failures in a row a pause that grows, ended by one trial. Pure: `now` is handed in (monotonic ms).
 */
export interface Pacer {
  /** true: one more may be sent; `leave` must follow. */
  tryEnter(now: number): boolean;
  leave(answered: boolean, now: number): void;
  /** ms until the pause ends; 0: none. */
  pausedMs(now: number): number;
  readonly inFlight: number;
  readonly limit: number;
}

export interface PacingBounds {
  readonly start: number;
  readonly max: number;
  /** Failures in a row that begin a pause. */
  readonly failures: number;
  readonly minPauseMs: number;
  readonly maxPauseMs: number;
}

export const pacingBounds: PacingBounds = {
  start: 8,
  max: 64,
  failures: 5,
  minPauseMs: 500,
  maxPauseMs: 30_000,
};

export function createPacer(bounds: PacingBounds = pacingBounds): Pacer {
  let limit = bounds.start;
  let inFlight = 0;
  let failedInRow = 0;
  let pauseMs = bounds.minPauseMs;
  let pausedUntil = -Infinity;
  /** After a pause one request shows whether the secondary is back. */
  let onTrial = false;

  return {
    get inFlight() {
      return inFlight;
    },
    get limit() {
      return Math.floor(limit);
    },
    pausedMs: (now) => Math.max(0, pausedUntil - now),
    tryEnter(now) {
      if (now < pausedUntil) return false;
      if (inFlight >= (onTrial ? 1 : Math.floor(limit))) return false;
      inFlight++;
      return true;
    },
    leave(answered, now) {
      inFlight--;
      if (answered) {
        failedInRow = 0;
        onTrial = false;
        pauseMs = bounds.minPauseMs;
        limit = Math.min(bounds.max, limit + 1 / limit);
        return;
      }
      failedInRow++;
      limit = Math.max(1, limit / 2);
      if (now < pausedUntil || (failedInRow < bounds.failures && !onTrial)) return;
      pausedUntil = now + pauseMs;
      pauseMs = Math.min(bounds.maxPauseMs, pauseMs * 2);
      onTrial = true;
    },
  };
}
