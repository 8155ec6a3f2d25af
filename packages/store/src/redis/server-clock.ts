/**
 * The server's clock as far as this node knows it: the last `now` that it told, plus the monotonic time since.
 * A reply was made between its sending and its receipt; only what no such moment explains counts as a jump.
 */
export interface ServerClock {
  /** Takes the `now` (epoch ms) of a reply to what was sent at `sentAt` (monotonic ms). */
  see(now: number, sentAt: number): void;
  /** Epoch ms; null before the first reply. */
  now(): number | null;
  /** Monotonic ms since the server's clock last jumped; Infinity: never seen to. */
  steadyForMs(): number;
}

const jumpMs = 2000;

export function createServerClock(monotonic: () => number): ServerClock {
  /** Server time minus monotonic time lies in [low, high]. */
  let offset: { readonly low: number; readonly high: number } | null = null;
  let jumpedAt = -Infinity;
  return {
    see(now, sentAt) {
      const seen = { low: now - monotonic(), high: now - sentAt };
      if (offset !== null && (seen.low - offset.high > jumpMs || offset.low - seen.high > jumpMs)) {
        jumpedAt = monotonic();
      }
      offset = seen;
    },
    now: () => (offset === null ? null : Math.floor(offset.low + monotonic())),
    steadyForMs: () => monotonic() - jumpedAt,
  };
}
