/**
 * Collapsed forwarding (RFC 9111 4): requests that one response can serve share one fetch.
 *
 * Within a node they share a flight and, after the header section, its growing body. Across nodes the fetch lease
 * admits one fetch; the other nodes wait for it (lease-wait.ts), bounded in time and number, and then fetch once each.
 * A response that cannot be shared releases all waiting requests when its header section arrives.
 */
import type { Lookup } from "@sticky-proxy/core/cache";
import type { Failed } from "@sticky-proxy/upstream";
import type { CacheDeps } from "./cache-deps.ts";
import type { CachedRequest } from "./cached-request.ts";
import { leadFlight, type Flight, type FlightHead, type Leading, type LeaderPlan } from "./lead-flight.ts";
import { createLeaseWait } from "./lease-wait.ts";
import { createRecentFailures } from "./recent-failures.ts";

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
  /** The service gave no answer to the last fetch of it, moments ago: what may be served stale need not wait for the next. */
  isFailing(request: CachedRequest, flight: string): boolean;
  /** Records a failure that a retry met too, for the requests of the next second. */
  shareFailure(request: CachedRequest, flight: string, failed: Failed): void;
  readonly size: number;
}

/** For so long a service that hangs is not waited for by each request that has something stale to be served. */
const unansweredMs = 10_000;

export function createFlights(deps: CacheDeps): Flights {
  const flights = new Map<string, Flight>();
  /** What a retry met too. */
  const failures = createRecentFailures<Extract<FlightHead, { kind: "failed" | "error" }>>(deps);
  /** Background revalidations that failed. */
  const failedRefreshes = createRecentFailures<true>(deps);
  /** Fetches without an answer; a background revalidation tries again meanwhile. */
  const unanswered = createRecentFailures<true>(deps, unansweredMs);
  const awaitLease = createLeaseWait(deps);

  function enter(leading: Leading, mayWait: boolean): Flight {
    const { promise: head, resolve, reject } = Promise.withResolvers<FlightHead>();
    const flight: Flight = { head, generation: null };
    const id = idOf(leading.request, leading.name);
    flights.set(id, flight);
    const leave = (): void => {
      if (flights.get(id) === flight) flights.delete(id);
    };
    leadFlight(deps, leading, flight, mayWait ? awaitLease : null).then(
      (result) => {
        // A shared body can be joined until it is committed; afterwards the store serves it.
        if (result.kind === "shared") void result.committed.then(leave);
        else leave();
        if (result.kind === "error") failures.record(id, result);
        if (result.kind === "failed" && !result.failed.aborted) unanswered.record(id, true);
        else unanswered.forget(id);
        resolve(result);
      },
      (error: unknown) => {
        leave();
        reject(error);
      },
    );
    return flight;
  }

  return {
    join(request, name, found, plan) {
      const id = idOf(request, name);
      const failed = failures.recent(id);
      if (failed !== null) {
        const head = Promise.resolve<FlightHead>(failed);
        return { flight: { head, generation: null }, isLeader: failed.kind === "failed" };
      }
      const known = flights.get(id);
      // A purge since the flight began: its response may be older than the purge allows (C2).
      if (known !== undefined && (known.generation === null || known.generation >= found.generation)) {
        return { flight: known, isLeader: false };
      }
      return { flight: enter({ request, name, found, plan }, true), isLeader: true };
    },
    refresh(request, name, found, plan) {
      const id = idOf(request, name);
      if (flights.has(id) || failedRefreshes.recent(id) !== null) return;
      enter({ request, name, found, plan }, false).head.then(
        (head) => {
          if (head.kind === "own") head.outcome.body.destroy();
          if (head.kind === "failed" || head.kind === "masked") failedRefreshes.record(id, true);
        },
        (error: unknown) => deps.log.warn("cache.refresh-failed", { err: error, url: request.url }),
      );
    },
    isFailing: (request, name) => unanswered.recent(idOf(request, name)) !== null,
    shareFailure: (request, name, failed) => failures.record(idOf(request, name), { kind: "failed", failed }),
    get size() {
      return flights.size;
    },
  };
}

function idOf({ key }: CachedRequest, name: string): string {
  return `${key}:${name}`;
}
