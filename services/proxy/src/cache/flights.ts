/**
 * Collapsed forwarding (RFC 9111 4): requests that one response can serve wait for one fetch.
 *
 * In this node they share a flight and, once its head is there, its growing body. Across replicas the fetch lease lets
 * one node fetch; the others wait for the notice of its end and look again every 250 ms, bounded in time and number:
 * then each of them fetches once.
 * What turns out not to be shareable releases everybody at its head.
 */
import { CacheUnavailable, type FetchBegun, type FetchLease, type Lookup } from "@sticky-proxy/core/cache";
import type { Failed } from "@sticky-proxy/upstream";
import type { CacheDeps } from "./cache-deps.ts";
import type { CachedRequest } from "./cached-request.ts";
import type { ExchangePlan } from "./exchange.ts";
import { fetchLeaseMs, startFetch, type FetchHead } from "./fetch.ts";

export type FlightHead =
  | FetchHead
  /** Something was stored or dropped meanwhile: look again. */
  | { readonly kind: "again" }
  /** Waiting is of no use: fetch alone. */
  | { readonly kind: "apart" };

export interface Flight {
  readonly head: Promise<FlightHead>;
  /** The generation that its fetch began with; null before. Requests that know of a later one do not join. */
  generation: number | null;
}

/** What only the leader knows of its exchange. */
export type LeaderPlan = Omit<ExchangePlan, "generation" | "now" | "signal" | "keepConditions">;

export interface Flights {
  /** Joins the flight of that name or leads a new one. */
  join(
    request: CachedRequest,
    flight: string,
    found: Lookup,
    plan: LeaderPlan,
  ): { flight: Flight; isLeader: boolean };
  /** Fetches behind a stale answer, unless somebody in the cluster does so already. */
  refresh(request: CachedRequest, flight: string, found: Lookup, plan: LeaderPlan): void;
  /** The retry of a failed flight failed too. */
  shareFailure(request: CachedRequest, flight: string, failed: Failed): void;
  readonly size: number;
}

const recheckMs = 250;
const maxWaitMs = 10_000;
/** Flights of this node that wait for other nodes; more do not wait. */
const maxWaiting = 1000;
const failureMs = 1000;
const maxFailures = 1000;
const never = new AbortController().signal;

export function createFlights(deps: CacheDeps): Flights {
  const { store, monotonic } = deps;
  const flights = new Map<string, Flight>();
  const failures = new Map<string, { failed: Failed; until: number }>();
  /** Refreshes that failed, and until when nobody tries again. */
  const refused = new Map<string, number>();
  let waiting = 0;

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
        // A shared body can be joined until it is committed; then the store has it.
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
        if (!mayWait) return { kind: "apart" };
        const waited = await waitElsewhere(lease, found);
        if (waited !== null && "kind" in waited) return waited;
        // Waited long enough: one fetch for all who wait here, not one for each of them.
        if (waited === null) lease = { ...lease, token: null };
        begun = waited ?? (await store.begin(lease, null));
      }
    } catch (error) {
      if (!(error instanceof CacheUnavailable)) throw error;
      deps.observe.storeError("lookup", error);
      return { kind: "apart" };
    }
    if (begun.revision !== found.revision) {
      await store.finish(lease, "failed").catch(() => {});
      return { kind: "again" };
    }
    flight.generation = begun.generation;
    const { generation, now } = begun;
    const whole: ExchangePlan = { ...plan, generation, now, signal: never, keepConditions: false };
    return startFetch(deps, request, whole, { lease, mayStore: true, marker: found.unshareable });
  }

  /** The lease in the end, or what to do without it; null: it takes too long. @throws CacheUnavailable */
  async function waitElsewhere(
    lease: FetchLease,
    found: Lookup,
  ): Promise<FetchBegun | { kind: "again" | "apart" } | null> {
    if (waiting >= maxWaiting) return null;
    waiting++;
    const ended = new AbortController();
    try {
      const until = monotonic() + maxWaitMs;
      while (monotonic() < until) {
        const watch = await store.watch(lease.key, lease.flight);
        try {
          // The flight may have ended before the watch began, and a notice may be lost: so begin again each time.
          const begun = await store.begin(lease, fetchLeaseMs);
          if (begun.granted) return begun;
          if (begun.revision !== found.revision) return { kind: "again" };
          const notice = await Promise.race([
            watch.notice,
            deps.sleep(recheckMs, ended.signal).then(() => null),
          ]);
          if (notice === "stored") return { kind: "again" };
          if (notice === "not-storable") return { kind: "apart" };
          if (notice === null && (await store.lookup(lease.key, () => "")).unshareable !== null)
            return { kind: "apart" };
        } finally {
          watch.close();
        }
      }
      return null;
    } finally {
      ended.abort();
      waiting--;
    }
  }

  /** An error that a retry met too is everybody's for a moment: asking again at once would only add to the trouble. */
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
      // A purge since the flight began: what it brings may be older than what this client may get.
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
        (error: unknown) => deps.log.warn("cache.refresh-failed", { error, url: request.url }),
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
