/** The states of one circuit: `failures` in a row open it for `openMs`, then one trial request decides. */
import type { BreakerPolicy } from "@sticky-proxy/core/registry";

export type Passage = { readonly pass: true } | { readonly pass: false; readonly openMs: number };

const passed: Passage = { pass: true };

export class Circuit {
  /** Monotonic ms; null: closed. */
  #openUntil: number | null = null;
  /** Deadline of the running trial: a trial that never reports must not keep the circuit open. */
  #trialUntil = 0;

  get isClosed(): boolean {
    return this.#openUntil === null;
  }

  /** `half-open`: `openMs` has passed, and one trial request is allowed. */
  state(now: number): "closed" | "half-open" | "open" {
    if (this.#openUntil === null) return "closed";
    return now < this.#openUntil ? "open" : "half-open";
  }

  /** Takes the trial where one is due. */
  enter({ openMs }: BreakerPolicy, now: number): Passage {
    const refused = this.refusal(now);
    if (refused !== null) return refused;
    if (this.#openUntil !== null) this.#trialUntil = now + openMs;
    return passed;
  }

  /** null: a request may pass; as the trial, if the circuit is half-open. */
  refusal(now: number): Passage | null {
    if (this.#openUntil === null) return null;
    const until = Math.max(this.#openUntil, this.#trialUntil);
    return now < until ? { pass: false, openMs: until - now } : null;
  }

  open({ openMs }: BreakerPolicy, now: number): void {
    this.#openUntil = now + openMs;
    this.#trialUntil = 0;
  }

  close(): void {
    this.#openUntil = null;
  }
}
