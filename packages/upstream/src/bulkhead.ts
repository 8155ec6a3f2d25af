/** Requests in flight to one service, with a bounded queue in order of arrival and a deadline for each waiter. */
import type { ServiceLimits } from "@sticky-proxy/core/registry";

export type Admission = "admitted" | "full" | "timeout" | "aborted";

interface Waiter {
  admit(): void;
}

export class Bulkhead {
  #inFlight = 0;
  readonly #queue = new Set<Waiter>();

  get inFlight(): number {
    return this.#inFlight;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** true: a slot is taken; the caller must release it with `leave`. */
  tryEnter(limits: ServiceLimits): boolean {
    if (this.#inFlight >= limits.maxInFlight || this.#queue.size > 0) return false;
    this.#inFlight += 1;
    return true;
  }

  wait(limits: ServiceLimits, signal: AbortSignal): Promise<Admission> {
    if (signal.aborted) return Promise.resolve("aborted");
    if (this.#queue.size >= limits.maxQueue) return Promise.resolve("full");
    return new Promise((resolve) => {
      const end = (admission: Admission): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        this.#queue.delete(waiter);
        resolve(admission);
      };
      const waiter: Waiter = { admit: () => end("admitted") };
      const onAbort = (): void => end("aborted");
      const timer = setTimeout(() => end("timeout"), limits.queueTimeoutMs);
      signal.addEventListener("abort", onAbort);
      this.#queue.add(waiter);
    });
  }

  /** Releases a slot; the request that has waited longest gets it. */
  leave(): void {
    const [next] = this.#queue;
    if (next === undefined) this.#inFlight -= 1;
    else next.admit();
  }
}
