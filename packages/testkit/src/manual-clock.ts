/** A clock that only a test moves. */

interface Sleeper {
  readonly at: number;
  wake(): void;
}

export class ManualClock {
  #now: number;
  readonly #sleepers = new Set<Sleeper>();

  constructor(now = 1_000_000) {
    this.#now = now;
  }

  /** Milliseconds; bound, so that it can be passed as a function. */
  readonly now = (): number => this.#now;

  /** Resolves when the clock reaches now + ms, or when the signal aborts. */
  readonly sleep = (ms: number, signal?: AbortSignal): Promise<void> => {
    if (ms <= 0 || signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const sleeper: Sleeper = { at: this.#now + ms, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", wake);
    });
  };

  get sleeping(): number {
    return this.#sleepers.size;
  }

  /** Advances the clock and resolves the sleeps that end by then, in order; yields after each. */
  async tick(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      const due = [...this.#sleepers].filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#now = due.at;
      due.wake();
      await settled();
    }
    this.#now = until;
    await settled();
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
