/**
 * Circuit breaker of the cache's Redis: a slow or unavailable Redis must not delay requests (fail open).
 *
 * A call fails when no reply at all has arrived for `silenceMs`, because under load one reply may be late while
 * others arrive. The first silent call waits longer (a server that flushes its log to disk pauses for hundreds of
 * milliseconds, and a failure then would only add load), later ones not; after `failures` of them in a row no call
 * is made for `openMs`, then one trial call is. A timer may be late because this process was busy, so
 * the event loop gets one turn to read replies that have already arrived.
 */
import type { Clock } from "@sticky-proxy/protocol";
import { CacheUnavailable } from "@sticky-proxy/core/cache";

export interface GuardOptions {
  readonly silenceMs: number;
  readonly firstSilenceMs: number;
  readonly failures: number;
  readonly openMs: number;
  /** Monotonic ms. */
  readonly clock: Pick<Clock, "monotonic">;
}

export interface CacheGuard {
  /** @throws CacheUnavailable for every failure, with its cause */
  run<T>(work: () => Promise<T>): Promise<T>;
  readonly isOpen: boolean;
}

export const guardDefaults = { silenceMs: 50, firstSilenceMs: 1000, failures: 5, openMs: 1000 } as const;

export function createCacheGuard(options: GuardOptions): CacheGuard {
  const { silenceMs, firstSilenceMs, failures, openMs, clock } = options;
  let failedInRow = 0;
  let openUntil = -Infinity;
  let trying = false;
  let lastReplyAt = -Infinity;

  function settle(succeeded: boolean): void {
    trying = false;
    if (succeeded) {
      failedInRow = 0;
      lastReplyAt = clock.monotonic();
    } else if (++failedInRow >= failures) openUntil = clock.monotonic() + openMs;
  }

  async function run<T>(work: () => Promise<T>): Promise<T> {
    if (failedInRow >= failures) {
      if (trying || clock.monotonic() < openUntil)
        throw new CacheUnavailable("the cache's store is given a pause");
      trying = true;
    }
    const silence = silenceOf(failedInRow === 0 ? firstSilenceMs : silenceMs);
    try {
      const result = await Promise.race([work(), silence.promise]);
      settle(true);
      return result;
    } catch (error) {
      settle(false);
      if (error instanceof CacheUnavailable) throw error;
      throw new CacheUnavailable("the cache's store failed", { cause: error });
    } finally {
      silence.stop();
    }
  }

  /** Rejects when no reply has arrived for `ms`. */
  function silenceOf(ms: number): { promise: Promise<never>; stop(): void } {
    let timer: NodeJS.Timeout | null = null;
    let stopped = false;
    const promise = new Promise<never>((_, reject) => {
      const startedAt = clock.monotonic();
      const arm = (after: number): void => {
        timer = setTimeout(() => setImmediate(() => setImmediate(check)), after);
      };
      const check = (): void => {
        if (stopped) return;
        const quietMs = clock.monotonic() - Math.max(startedAt, lastReplyAt);
        if (quietMs < ms) arm(ms - quietMs);
        else reject(new CacheUnavailable("the cache's store did not answer in time"));
      };
      arm(ms);
    });
    promise.catch(() => {}); // it may lose the race after the work has settled
    return {
      promise,
      stop() {
        stopped = true;
        if (timer !== null) clearTimeout(timer);
      },
    };
  }

  return {
    run,
    get isOpen() {
      return failedInRow >= failures;
    },
  };
}
