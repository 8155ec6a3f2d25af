/**
 * The only timers. Decisions take `now`; periodic and delayed work is started here, so that a
 * shutdown can wait for it and no work runs twice at once.
 */
import { asMonotonicMs, type MonotonicMs, asEpochMs, type Clock } from "@sticky-proxy/protocol";
import { performance } from "node:perf_hooks";

/** Monotonic milliseconds, for spans on this node; deadlines use the store's clock. */
export function monotonic(): MonotonicMs {
  return asMonotonicMs(performance.now());
}

export const systemClock: Clock = { now: () => asEpochMs(Date.now()), monotonic };

export interface Loop {
  /** Starts a turn now, or once more right after the running turn. */
  wake(): void;
  /** Starts no further turn; resolves when the running one has ended. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  readonly onError: (error: unknown) => void;
  /** The first turn starts at once instead of after `ms`. */
  readonly atOnce?: boolean;
  /** In [0, 1). */
  readonly random?: () => number;
}

/**
 * Runs `task` every `ms` ± `jitter` (a share, 0.2 = ±20 %), from the end of the last turn: turns never
 * overlap, and replicas that started together do not query Redis at the same times.
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
    // `rest` runs in a later microtask, even when the task throws synchronously: `running` is set by then.
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

/** Runs `task` once after `ms`; the returned function cancels it. */
export function after(ms: number, task: () => void): () => void {
  const timer = setTimeout(task, Math.min(ms, 2 ** 31 - 1));
  return () => clearTimeout(timer);
}

/** Resolves after `ms`, or when `signal` aborts (it never rejects: the caller checks the signal). */
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
