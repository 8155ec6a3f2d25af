/**
 * Circuit breaker of one service on this node: `failures` gateway failures in a row open it for `openMs`,
 * then one trial request decides. Decided locally, so it works with the store away.
 */
import type { BreakerPolicy } from "@sticky-proxy/core/registry";

export type Passage = { readonly pass: true } | { readonly pass: false; readonly openMs: number };

const passed: Passage = { pass: true };

export class Breaker {
  #failures = 0;
  /** Monotonic ms; null: closed. */
  #openUntil: number | null = null;
  /** Deadline of the running trial: a trial that never reports must not keep the circuit open. */
  #trialUntil = 0;

  /** `half-open`: `openMs` has passed, and one trial request is allowed. */
  state(now: number): "closed" | "half-open" | "open" {
    if (this.#openUntil === null) return "closed";
    return now < this.#openUntil ? "open" : "half-open";
  }

  enter(policy: BreakerPolicy | null, now: number): Passage {
    if (policy === null || this.#openUntil === null) return passed;
    if (now < this.#openUntil) return { pass: false, openMs: this.#openUntil - now };
    if (now < this.#trialUntil) return { pass: false, openMs: this.#trialUntil - now };
    this.#trialUntil = now + policy.openMs;
    return passed;
  }

  report(policy: BreakerPolicy | null, failure: boolean, now: number): void {
    if (policy === null) return;
    if (!failure) {
      this.#failures = 0;
      this.#openUntil = null;
      return;
    }
    this.#failures += 1;
    if (this.#failures < policy.failures) return;
    this.#openUntil = now + policy.openMs;
    this.#trialUntil = 0;
  }
}
