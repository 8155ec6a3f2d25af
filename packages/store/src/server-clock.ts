/** The server's clock as far as this node knows it: the last `now` that it told, plus the monotonic time since. */
export interface ServerClock {
  /** Takes the `now` of a reply, epoch ms. */
  see(now: number): void;
  /** Epoch ms; null before the first reply. */
  now(): number | null;
}

export function createServerClock(monotonic: () => number): ServerClock {
  let seen: { now: number; at: number } | null = null;
  return {
    see(now) {
      seen = { now, at: monotonic() };
    },
    now: () => (seen === null ? null : Math.floor(seen.now + (monotonic() - seen.at))),
  };
}
