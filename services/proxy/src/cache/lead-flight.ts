/** Collapsed forwarding from the leader's side: the fetch lease of the cluster, then the fetch. */
import { CacheUnavailable, type FetchStart, type FetchLease, type Lookup } from "@sticky-proxy/core/cache";
import type { CacheDeps } from "./cache-deps.ts";
import type { CachedRequest } from "./cached-request.ts";
import type { ExchangePlan } from "./exchange.ts";
import { fetchLeaseMs, startFetch, type FetchHead } from "./fetch.ts";
import type { AwaitLease } from "./lease-wait.ts";

export type FlightHead =
  | FetchHead
  /** The key changed in the meantime: repeat the look-up. */
  | { readonly kind: "key-changed" }
  /** Collapsing does not help: fetch without a flight. */
  | { readonly kind: "not-collapsed" };

export interface Flight {
  readonly head: Promise<FlightHead>;
  /** The generation at the start of its fetch; null before. Requests that found a later one do not join (C2). */
  generation: number | null;
}

/** The part of the exchange that the leading request decides. */
export type LeaderPlan = Omit<ExchangePlan, "generation" | "now" | "signal" | "keepConditions">;

export interface Leading {
  readonly request: CachedRequest;
  /** The name of the flight among those of the key. */
  readonly name: string;
  readonly found: Lookup;
  readonly plan: LeaderPlan;
}

const never = new AbortController().signal;

/**
 * Fetches as soon as no other node of the cluster does. `awaitLease` null: a flight that does not wait for another node.
 * Sets the generation of the flight when its fetch begins.
 */
export async function leadFlight(
  deps: CacheDeps,
  { request, name, found, plan }: Leading,
  flight: Flight,
  awaitLease: AwaitLease | null,
): Promise<FlightHead> {
  const { store } = deps;
  let lease: FetchLease = { key: request.key, flight: name, token: deps.newToken() };
  let start: FetchStart;
  try {
    start = await store.begin(lease, fetchLeaseMs);
    if (!start.granted) {
      if (awaitLease === null) return { kind: "not-collapsed" };
      const waited = await awaitLease(lease, found);
      if (waited !== null && "kind" in waited) return waited;
      // The wait timed out: fetch once for all requests of this flight.
      if (waited === null) lease = { ...lease, token: null };
      start = waited ?? (await store.begin(lease, null));
    }
  } catch (error) {
    if (!(error instanceof CacheUnavailable)) throw error;
    deps.observe.storeError("lookup", error);
    return { kind: "not-collapsed" };
  }
  if (start.revision !== found.revision) {
    await store.finish(lease, "failed").catch(() => {});
    return { kind: "key-changed" };
  }
  flight.generation = start.generation;
  const { generation, now } = start;
  const whole: ExchangePlan = { ...plan, generation, now, signal: never, keepConditions: false };
  return startFetch(deps, request, whole, { lease, mayStore: true, marker: found.unshareable });
}
