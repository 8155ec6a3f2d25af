/**
 * Choice of an instance: power of two choices on (inFlight + 1) × EWMA latency ÷ weight.
 * Two random candidates and the better of them: close to the best of all, without a herd onto one instance.
 */
import type { Instance } from "./service.ts";

export interface Candidate {
  readonly instance: Instance;
  readonly inFlight: number;
  /** Smoothed time to the first byte; 0: not measured yet. */
  readonly latencyMs: number;
  /** Configured weight times what slow start leaves of it, above 0. */
  readonly weight: number;
}

/** Below this, differences of latency are noise of the local machine. */
const latencyFloorMs = 1;

/** Smaller is better. */
export function loadOf(candidate: Candidate): number {
  return ((candidate.inFlight + 1) * Math.max(candidate.latencyMs, latencyFloorMs)) / candidate.weight;
}

/** `first` and `second` are random numbers in [0, 1). null: no candidates. */
export function chooseInstance<T extends Candidate>(
  candidates: readonly T[],
  first: number,
  second: number,
): T | null {
  if (candidates.length === 0) return null;
  const i = Math.floor(first * candidates.length);
  const one = candidates[i]!;
  if (candidates.length === 1) return one;
  // The second draw is over the others, so that two different instances are always compared.
  const j = Math.floor(second * (candidates.length - 1));
  const other = candidates[j < i ? j : j + 1]!;
  return loadOf(other) < loadOf(one) ? other : one;
}

const halfLifeMs = 2_000;

/**
 * What a latency measured so long ago still says. An instance that was slow once is hardly asked any more, so only time
 * can bring it back: with two instances and few requests it would stay out until the other one was as slow.
 */
export function fadedLatency(latencyMs: number, ageMs: number): number {
  return latencyMs * 2 ** (-ageMs / halfLifeMs);
}

/** Exponentially weighted mean; a slower answer counts at once in full (peak EWMA), a faster one by a share. */
export function smoothLatency(previousMs: number, sampleMs: number): number {
  if (previousMs === 0 || sampleMs >= previousMs) return sampleMs;
  return previousMs + (sampleMs - previousMs) * 0.2;
}
