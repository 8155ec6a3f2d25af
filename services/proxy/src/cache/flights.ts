/**
 * Collapsed forwarding (RFC 9111 4): requests that one response can serve share one fetch.
 *
 * Within a node they share a flight and, after the header section, its growing body. Across nodes the fetch lease
 * admits one fetch; the other nodes wait for it (lease-wait.ts), bounded in time and number, and then fetch once each.
 * A response that cannot be shared releases all waiting requests when its header section arrives.
 */
import { CacheUnavailable, type FetchBegun, type FetchLease, type Lookup } from "@sticky-proxy/core/cache";
import type { Failed } from "@sticky-proxy/upstream";
import type { CacheDeps } from "./cache-deps.ts";
import type { CachedRequest } from "./cached-request.ts";
import type { ExchangePlan } from "./exchange.ts";
import { fetchLeaseMs, startFetch, type FetchHead } from "./fetch.ts";
import { createLeaseWait } from "./lease-wait.ts";

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

export interface Flights {
  /** Joins the flight of that name or leads a new one. */
  join(
    request: CachedRequest,
    flight: string,
    found: Lookup,
    plan: LeaderPlan,
  ): { flight: Flight; isLeader: boolean };
  /** Revalidates in the background (RFC 5861 3), unless a node of the cluster already does. */
  refresh(request: CachedRequest, flight: string, found: Lookup, plan: LeaderPlan): void;
  /** Records a failure that a retry met too, for the requests of the next second. */
  shareFailure(request: CachedRequest, flight: string, failed: Failed): void;
  readonly size: number;
}

const failureMs = 1000;
const maxFailures = 1000;
const never = new AbortController().signal;

export function createFlights(deps: CacheDeps): Flights {
  const { store, monotonic } = deps;
  const flights = new Map<string, Flight>();
  const failures = new Map<string, { failed: Failed; until: number }>();
  /** Background revalidations that failed: id to the monotonic ms before which none starts again. */
  const refused = new Map<string, number>();
  const awaitLease = createLeaseWait(deps);

  function enter(
    request: CachedRequest,
    name: string,
    lead: (flight: Flight) => Promise<FlightHead>,
  ): Flight {
    const { promise: head, resolve, reject } = Promise.withResolvers<FlightHead>();
    const flight: Flight = { head, generation: null };
    const id = `${request.key}:${name}`;
    flights.set(id, flight);
    const leave = (): void => {
      if (flights.get(id) === flight) flights.delete(id);
    };
    lead(flight).then(
      (told) => {
        // A shared body can be joined until it is committed; afterwards the store serves it.
        if (told.kind === "shared") void told.committed.then(leave);
        else leave();
        resolve(told);
      },
      (error: unknown) => {
        leave();
        reject(error);
      },
    );
    return flight;
  }

  async function lead(
    request: CachedRequest,
    name: string,
    found: Lookup,
    plan: LeaderPlan,
    flight: Flight,
    mayWait: boolean,
  ): Promise<FlightHead> {
    let lease: FetchLease = { key: request.key, flight: name, token: deps.newToken() };
    let begun: FetchBegun;
    try {
      begun = await store.begin(lease, fetchLeaseMs);
      if (!begun.granted) {
        if (!mayWait) return { kind: "not-collapsed" };
        const waited = await awaitLease(lease, found);
        if (waited !== null && "kind" in waited) return waited;
        // The wait timed out: fetch once for all requests of this flight.
        if (waited === null) lease = { ...lease, token: null };
        begun = waited ?? (await store.begin(lease, null));
      }
    } catch (error) {
      if (!(error instanceof CacheUnavailable)) throw error;
      deps.observe.storeError("lookup", error);
      return { kind: "not-collapsed" };
    }
    if (begun.revision !== found.revision) {
      await store.finish(lease, "failed").catch(() => {});
      return { kind: "key-changed" };
    }
    flight.generation = begun.generation;
    const { generation, now } = begun;
    const whole: ExchangePlan = { ...plan, generation, now, signal: never, keepConditions: false };
    return startFetch(deps, request, whole, { lease, mayStore: true, marker: found.unshareable });
  }

  /** The failure of a recent retry, which spares the service another attempt; null: none. */
  function recentFailure(id: string): Failed | null {
    const recent = failures.get(id);
    if (recent === undefined) return null;
    if (monotonic() < recent.until) return recent.failed;
    failures.delete(id);
    return null;
  }

  return {
    join(request, name, found, plan) {
      const failed = recentFailure(`${request.key}:${name}`);
      if (failed !== null) {
        const head = Promise.resolve<FlightHead>({ kind: "failed", failed });
        return { flight: { head, generation: null }, isLeader: true };
      }
      const known = flights.get(`${request.key}:${name}`);
      // A purge since the flight began: its response may be older than the purge allows (C2).
      if (known !== undefined && (known.generation === null || known.generation >= found.generation)) {
        return { flight: known, isLeader: false };
      }
      const flight = enter(request, name, (own) => lead(request, name, found, plan, own, true));
      return { flight, isLeader: true };
    },
    refresh(request, name, found, plan) {
      const id = `${request.key}:${name}`;
      if (flights.has(id) || monotonic() < (refused.get(id) ?? 0)) return;
      refused.delete(id);
      const flight = enter(request, name, (own) => lead(request, name, found, plan, own, false));
      flight.head.then(
        (head) => {
          if (head.kind === "own") head.outcome.body.destroy();
          if (head.kind !== "failed" && head.kind !== "masked") return;
          if (refused.size >= maxFailures) refused.clear();
          refused.set(id, monotonic() + failureMs);
        },
        (error: unknown) => deps.log.warn("cache.refresh-failed", { err: error, url: request.url }),
      );
    },
    shareFailure(request, name, failed) {
      if (failures.size >= maxFailures) failures.clear();
      failures.set(`${request.key}:${name}`, { failed, until: monotonic() + failureMs });
    },
    get size() {
      return flights.size;
    },
  };
}
