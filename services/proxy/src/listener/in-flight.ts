/** Counts the requests whose response has not ended, so that a closing server can wait for them. */
import type { ServerResponse } from "node:http";

export interface InFlight {
  readonly count: number;
  /** Counts a request until its response is closed. */
  add(response: ServerResponse): void;
  /** Resolves when none is left, or after `graceMs`. */
  settled(graceMs: number): Promise<void>;
}

export function createInFlight(): InFlight {
  const onNone = new Set<() => void>();
  let count = 0;
  return {
    get count() {
      return count;
    },
    add(response) {
      count += 1;
      response.once("close", () => {
        count -= 1;
        if (count > 0) return;
        for (const done of onNone) done();
        onNone.clear();
      });
    },
    settled(graceMs) {
      if (count === 0 || graceMs <= 0) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        onNone.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    },
  };
}
