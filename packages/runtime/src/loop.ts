/**
 * The only timers. Decisions take `now`; whatever must happen again or later is asked for here, so that a
 * shutdown can wait for it and nothing is started twice.
 */
import { asMonotonicMs, type MonotonicMs, asEpochMs, type Clock } from "@sticky-proxy/protocol";
import { performance } from "node:perf_hooks";

/** Milliseconds that never go back, for spans on this node; deadlines come from the store's clock. */
export function monotonic(): MonotonicMs {
  return asMonotonicMs(performance.now());
}

export const systemClock: Clock = { now: () => asEpochMs(Date.now()), monotonic };

export interface Loop {
  /** Runs the task now, or once more right after the running turn. */
  wake(): void;
  /** No further turn; resolves when the running one has ended. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  readonly onError: (error: unknown) => void;
  /** The first turn is at once instead of after `ms`. */
  readonly atOnce?: boolean;
  /** In [0, 1). */
  readonly random?: () => number;
}

/**
 * Runs `task` every `ms` ± `jitter` (a share, 0.2 = ±20 %), counted from the end of the last turn: turns never
 * overlap, and replicas that started together drift apart instead of asking Redis in step.
 */
export function every(
  ms: number,
  jitter: number,
  task: () => Promise<void> | void,
  options: LoopOptions,
): Loop {
  const { onError, random = Math.random, atOnce = false } = options;
  let isStopped = false;
  let isWoken = false;
  let running: Promise<void> | null = null;
  let timer: NodeJS.Timeout | undefined;

  function schedule(delay: number): void {
    if (isStopped) return;
    timer = setTimeout(start, delay);
  }

  function start(): void {
    if (isStopped || running !== null) return;
    clearTimeout(timer);
    // `rest` runs in a later microtask, even when the task throws at once: `running` is set by then.
    running = turn().then(rest);
  }

  async function turn(): Promise<void> {
    try {
      await task();
    } catch (error) {
      onError(error);
    }
  }

  function rest(): void {
    running = null;
    const isAgain = isWoken;
    isWoken = false;
    schedule(isAgain ? 0 : ms * (1 + jitter * (2 * random() - 1)));
  }

  schedule(atOnce ? 0 : ms * (1 + jitter * (2 * random() - 1)));
  return {
    wake() {
      if (running !== null) isWoken = true;
      else start();
    },
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

/** Runs `task` once after `ms`; the returned function takes it back. */
export function after(ms: number, task: () => void): () => void {
  const timer = setTimeout(task, Math.min(ms, 2 ** 31 - 1));
  return () => clearTimeout(timer);
}

/** Resolves after `ms`, or at once when `signal` aborts (it does not throw: the caller looks at the signal). */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const cancel = after(ms, done);
    function done(): void {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done, { once: true });
  });
}
