/**
 * Nominal types: numbers and strings that must not be taken for one another. They cost nothing at run time. A value gets
 * its brand where it enters (a clock, a store's reply, a parsed id); from there on the compiler keeps them apart.
 */
declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** A moment on a wall clock, ms since 1970. Sums and differences are plain numbers: spans. */
export type EpochMs = Branded<number, "EpochMs">;
/** A moment on this process's monotonic clock, ms; meaningless anywhere else. */
export type MonotonicMs = Branded<number, "MonotonicMs">;
/** A fencing number: rises with every dispatch of a scope. A process's epoch is the fence that it was born with. */
export type Fence = Branded<number, "Fence">;
/** The keyed digest that names a unit of mutual exclusion. */
export type Scope = Branded<string, "Scope">;
/** `prc_…`, as clients see it. */
export type ProcessId = Branded<string, "ProcessId">;

export const asEpochMs = (ms: number): EpochMs => ms as EpochMs;
export const asMonotonicMs = (ms: number): MonotonicMs => ms as MonotonicMs;
export const asFence = (number: number): Fence => number as Fence;
export const asScope = (digest: string): Scope => digest as Scope;

/** A node's time. Functions, so that they can be handed on alone. */
export interface Clock {
  readonly now: () => EpochMs;
  readonly monotonic: () => MonotonicMs;
}
