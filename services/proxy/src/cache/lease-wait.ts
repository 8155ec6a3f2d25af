/** Waiting for the fetch lease while another node holds it. */
import type { FetchStart, FetchLease, Lookup } from "@sticky-proxy/core/cache";
import type { CacheDeps } from "./cache-deps.ts";
import { fetchLeaseMs } from "./fetch.ts";

const recheckMs = 250;
const maxWaitMs = 10_000;
/** Flights of this node that wait for other nodes; further ones fetch at once. */
export const maxWaiting = 1000;

/**
 * The lease, once granted; "key-changed": the key changed since the look-up; "not-collapsed": the response cannot be shared;
 * null: the wait timed out, or too many flights wait.
 * @throws CacheUnavailable
 */
export type AwaitLease = (
  lease: FetchLease,
  found: Pick<Lookup, "revision">,
) => Promise<FetchStart | { readonly kind: "key-changed" | "not-collapsed" } | null>;

export function createLeaseWait({
  store,
  monotonic,
  sleep,
}: Pick<CacheDeps, "store" | "monotonic" | "sleep">): AwaitLease {
  let waiting = 0;
  return async function awaitLease(lease, found) {
    if (waiting >= maxWaiting) return null;
    waiting++;
    const ended = new AbortController();
    try {
      const until = monotonic() + maxWaitMs;
      while (monotonic() < until) {
        const watch = await store.watch(lease.key, lease.flight);
        try {
          // The flight may have ended before the watch, and a notice may be lost: request the lease each time.
          const start = await store.begin(lease, fetchLeaseMs);
          if (start.granted) return start;
          if (start.revision !== found.revision) return { kind: "key-changed" };
          const notice = await Promise.race([watch.notice, sleep(recheckMs, ended.signal).then(() => null)]);
          if (notice === "stored") return { kind: "key-changed" };
          if (notice === "not-storable") return { kind: "not-collapsed" };
          if (notice === null && (await store.lookup(lease.key, () => "")).unshareable !== null)
            return { kind: "not-collapsed" };
        } finally {
          watch.close();
        }
      }
      return null;
    } finally {
      ended.abort();
      waiting--;
    }
  };
}
