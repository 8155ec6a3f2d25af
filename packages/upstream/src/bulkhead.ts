/**
 * Requests in flight to one service, with a bounded queue and a deadline for each waiter. Places and queue are shared
 * fairly among holders: one caller's hanging requests leave a tenth to the others, and who waits for its own share does
 * not stand in front of them. Among those that may go, the longest waiting one goes first.
 */
import { mayTake } from "@sticky-proxy/core/budgets";
import type { ServiceLimits } from "@sticky-proxy/core/registry";

export type Admission = "admitted" | "full" | "timeout" | "aborted";

interface Waiter {
  readonly holder: string;
  admit(): void;
}

export class Bulkhead {
  #inFlight = 0;
  readonly #held = new Map<string, number>();
  readonly #queue = new Set<Waiter>();

  get inFlight(): number {
    return this.#inFlight;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** true: a slot is taken; the caller must release it with `leave`. Nobody who waits might have had it. */
  tryEnter(limits: ServiceLimits, holder: string): boolean {
    const own = this.#held.get(holder) ?? 0;
    if (!mayTake(limits.maxInFlight, this.#inFlight, own, 1)) return false;
    this.#inFlight += 1;
    this.#held.set(holder, own + 1);
    return true;
  }

  wait(limits: ServiceLimits, holder: string, signal: AbortSignal): Promise<Admission> {
    if (signal.aborted) return Promise.resolve("aborted");
    let own = 0;
    for (const waiter of this.#queue) if (waiter.holder === holder) own += 1;
    if (!mayTake(limits.maxQueue, this.#queue.size, own, 1)) return Promise.resolve("full");
    return new Promise((resolve) => {
      const end = (admission: Admission): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        this.#queue.delete(waiter);
        resolve(admission);
      };
      const waiter: Waiter = { holder, admit: () => end("admitted") };
      const onAbort = (): void => end("aborted");
      const timer = setTimeout(() => end("timeout"), limits.queueTimeoutMs);
      signal.addEventListener("abort", onAbort);
      this.#queue.add(waiter);
    });
  }

  /** Releases a slot; whoever has waited longest and may have it gets it. */
  leave(limits: ServiceLimits, holder: string): void {
    const left = (this.#held.get(holder) ?? 0) - 1;
    this.#inFlight -= 1;
    if (left > 0) this.#held.set(holder, left);
    else this.#held.delete(holder);
    const refused = new Set<string>();
    for (const waiter of this.#queue) {
      if (refused.has(waiter.holder)) continue;
      if (this.tryEnter(limits, waiter.holder)) return waiter.admit();
      refused.add(waiter.holder);
    }
  }
}
