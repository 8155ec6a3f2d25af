/**
 * Circuit breaker of one service on this node. Decided locally, so it works with the store away.
 *
 * A request that breaks its connection may do so because of what its caller sent. So a caller's failures open a circuit of
 * its own, and for all callers together each counts once: as many callers as `failures` must have failed, none
 * of them having succeeded since, to open the circuit for everybody.
 */
import type { BreakerPolicy } from "@sticky-proxy/core/registry";
import { Circuit, type Passage } from "./circuit.ts";

interface Caller {
  failures: number;
  /** Of its last failure; monotonic ms. */
  failedAt: number;
  readonly circuit: Circuit;
}

/** A caller's failure counts for so long; longer than most outages take to show. */
const windowMs = 60_000;
/** Callers that are remembered: beyond, those whose last failure is longest ago are forgotten. */
const maxCallers = 1000;

export class Breaker {
  readonly #shared = new Circuit();
  /** Callers that failed since the last success of anybody; a caller is in it once. */
  readonly #failing = new Map<string, number>();
  /** By the order of their last failures. */
  readonly #callers = new Map<string, Caller>();
  /** Whose trial of the shared circuit runs, or ran last. */
  #trial: string | null = null;
  /** Until when the next trial is somebody else's; 0: whoever comes. */
  #othersUntil = 0;

  /** Of the circuit that all share; while that is closed, of the worst one of a caller's own. */
  state(now: number): "closed" | "half-open" | "open" {
    const states = [this.#shared.state(now)];
    if (this.#shared.isClosed)
      for (const { circuit } of this.#callers.values()) states.push(circuit.state(now));
    return states.find((state) => state === "open") ?? states.find((state) => state !== "closed") ?? "closed";
  }

  /** @param holder whose request it is; "": the gateway's own */
  enter(policy: BreakerPolicy | null, holder: string, now: number): Passage {
    if (policy === null) return { pass: true };
    const own = this.#callers.get(holder)?.circuit;
    const refused = own?.refusal(now) ?? this.#shared.refusal(now) ?? this.#notAgain(holder, now);
    if (refused !== null) return refused;
    own?.enter(policy, now);
    if (!this.#shared.isClosed) this.#trial = holder;
    return this.#shared.enter(policy, now);
  }

  /** After a failed trial the next one is somebody else's, if anybody else comes: one caller must not keep the circuit open. */
  #notAgain(holder: string, now: number): Passage | null {
    if (this.#shared.isClosed || this.#trial !== holder || now >= this.#othersUntil) return null;
    return { pass: false, openMs: this.#othersUntil - now };
  }

  report(policy: BreakerPolicy | null, holder: string, failure: boolean, now: number): void {
    if (policy === null) return;
    if (failure) this.#failed(policy, holder, now);
    else this.#succeeded(holder);
  }

  #succeeded(holder: string): void {
    this.#callers.delete(holder);
    this.#failing.clear();
    this.#shared.close();
    this.#trial = null;
    this.#othersUntil = 0;
  }

  #failed(policy: BreakerPolicy, holder: string, now: number): void {
    const caller = this.#callers.get(holder) ?? { failures: 0, failedAt: now, circuit: new Circuit() };
    caller.failures += 1;
    caller.failedAt = now;
    moveToEnd(this.#callers, holder, caller);
    moveToEnd(this.#failing, holder, now);
    for (const [other, at] of this.#failing) {
      if (now - at < windowMs && this.#failing.size <= maxCallers) break;
      this.#failing.delete(other);
    }
    if (this.#callers.size > maxCallers) this.#callers.delete(this.#callers.keys().next().value!);
    if (caller.failures >= policy.failures) caller.circuit.open(policy, now);
    const shared = this.#shared.state(now);
    if (shared === "closed" && this.#failing.size >= policy.failures) this.#shared.open(policy, now);
    // What was sent before the trial says nothing that was not known.
    if (shared === "half-open" && this.#trial === holder) {
      this.#shared.open(policy, now);
      this.#othersUntil = now + 2 * policy.openMs;
    }
  }
}

function moveToEnd<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
}
