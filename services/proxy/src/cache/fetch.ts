/**
 * One fetch: the exchange with the service and the storing of its response. It outlives the request that started it.
 *
 * The fetch resolves when the header section has arrived; the kind says whether other requests may share the response.
 * The end of a stored response is released after the commit (C1), so a client that has read it finds it stored.
 */
import { Readable } from "node:stream";
import { headerValue, type HeaderList } from "@sticky-proxy/core/http";
import { collectResponse, saysFailure } from "@sticky-proxy/engine";
import {
  isErrorStatus,
  maxFetchMs,
  type Committed,
  type FetchLease,
  type FlightNotice,
  type Judgement,
  type NotStorable,
  type StoredMetadata,
} from "@sticky-proxy/core/cache";
import type { Failed, Responded } from "@sticky-proxy/upstream";
import type { CacheDeps } from "./cache-deps.ts";
import type { CachedRequest } from "./cached-request.ts";
import { exchange, type Exchanged, type ExchangePlan } from "./exchange.ts";
import type { SharedBody } from "./shared-body.ts";
import { ownFields, revalidatedMetadata, storeRevalidated, type Revalidated } from "./revalidation.ts";
import { drop, markerMs, storeResponse } from "./store-response.ts";

export type FetchHead =
  /** Storable: shared with every waiting request that it is selected for. */
  | {
      readonly kind: "shared";
      readonly metadata: StoredMetadata;
      readonly outcome: Responded;
      readonly body: SharedBody;
      readonly now: number;
      /** The result of the commit; "failed": nothing was stored. */
      readonly committed: Promise<Committed | "failed">;
    }
  /** Not shareable: only for the request that leads; the others fetch themselves. */
  | { readonly kind: "own"; readonly outcome: Responded; readonly reason: NotStored; readonly now: number }
  | {
      readonly kind: "revalidated";
      readonly metadata: StoredMetadata;
      /** Including the fields for the leading request only: those that no-cache="…" or private="…" name. */
      readonly headers: HeaderList;
      readonly isStored: boolean;
      readonly now: number;
    }
  | { readonly kind: "masked"; readonly status: number }
  /** A server error, read whole: shared for a moment with those that it would meet too. Nothing is stored. */
  | { readonly kind: "error"; readonly outcome: Responded; readonly bytes: Uint8Array }
  | { readonly kind: "failed"; readonly failed: Failed };

/** `failed`: its body says that it is no success. */
export type NotStored = NotStorable | "store-unavailable" | "not-collapsed" | "failed";

export interface FetchOptions {
  readonly lease: FetchLease;
  /** false: the store did not answer, so nothing is stored. */
  readonly mayStore: boolean;
  /** The marker that the look-up found; null: none. */
  readonly marker: string | null;
}

/** Lifetime of a fetch lease in ms, renewed every third of it; the longest that a dead node delays the others. */
export const fetchLeaseMs = 3000;

export function startFetch(
  deps: CacheDeps,
  request: CachedRequest,
  plan: ExchangePlan,
  options: FetchOptions,
): Promise<FetchHead> {
  return new Promise((resolve, reject) => {
    const ended = new AbortController();
    void keepLease(deps, options.lease, ended.signal);
    run(deps, request, plan, options, resolve)
      .catch(reject)
      .finally(() => ended.abort());
  });
}

async function keepLease({ store, sleep }: CacheDeps, lease: FetchLease, ended: AbortSignal): Promise<void> {
  if (lease.token === null) return;
  for (;;) {
    await sleep(fetchLeaseMs / 3, ended);
    if (ended.aborted) return;
    // A lease that cannot be renewed expires: another node fetches too, and this one stores nothing.
    await store.renew(lease, fetchLeaseMs).catch(() => {});
  }
}

async function run(
  deps: CacheDeps,
  request: CachedRequest,
  plan: ExchangePlan,
  options: FetchOptions,
  publish: (head: FetchHead) => void,
): Promise<void> {
  const until = deps.monotonic() + maxFetchMs;
  const ended = finisher(deps, options);
  const fetch: Fetch = { deps, request, plan, options, publish, ended, until };
  try {
    const exchanged = await exchange(deps, request, plan);
    switch (exchanged.kind) {
      case "failed":
      case "masked":
        publish(exchanged);
        return await ended("failed");
      case "revalidated":
        return await settleRevalidated(fetch, exchanged);
      case "response":
        return await settleResponse(fetch, exchanged);
    }
  } catch (error) {
    await ended("failed");
    throw error;
  }
}

/** One running fetch. */
interface Fetch {
  readonly deps: CacheDeps;
  readonly request: CachedRequest;
  readonly plan: ExchangePlan;
  readonly options: FetchOptions;
  /** Called once, with the head that the waiting requests get. */
  readonly publish: (head: FetchHead) => void;
  /** Ends the lease; the first notice counts. */
  readonly ended: (notice: FlightNotice) => Promise<void>;
  /** Monotonic ms; later than this nothing is committed. */
  readonly until: number;
}

/** The service answered 304: the stored response is updated with its fields (RFC 9111 4.3.4). */
async function settleRevalidated(fetch: Fetch, exchanged: Revalidated): Promise<void> {
  const { deps, request, plan, options, publish, ended } = fetch;
  const committed = await storeRevalidated(deps, request, exchanged, options);
  if (committed === "gone") {
    // The stored body was evicted; fetch again without conditions.
    return run(deps, request, { ...plan, validates: null }, options, publish);
  }
  const metadata = revalidatedMetadata(exchanged);
  const headers = [...metadata.headers, ...ownFields(exchanged, metadata)];
  const isStored = committed === "stored";
  publish({ kind: "revalidated", metadata, headers, isStored, now: exchanged.now });
  await ended(isStored ? "stored" : committed === "older" ? "failed" : "not-storable");
}

/** The service sent a response of its own: it is stored and shared, or passed to the one request that asked. */
async function settleResponse(
  fetch: Fetch,
  { outcome, judgement, now }: Extract<Exchanged, { kind: "response" }>,
): Promise<void> {
  const { deps, request, plan, options, publish, ended, until } = fetch;
  const { outdates } = plan;
  const reason = notStoredBecause(judgement, options);
  if (reason === null && judgement.storable) {
    const { metadata } = judgement;
    const read = await readWhereJudged(request, outcome);
    if (read.kind === "cut") {
      publish({ kind: "failed", failed: read.failed });
      return ended("failed");
    }
    if (!read.isFailure) {
      const response = { ...outcome, body: read.body };
      return storeResponse(
        deps,
        { request, lease: options.lease, response, metadata, outdates, until, ended },
        (shared) => publish({ kind: "shared", outcome, now, metadata, ...shared }),
      );
    }
    publish({ kind: "own", outcome: { ...outcome, body: read.body }, reason: "failed", now });
    return ended("not-storable");
  }
  if (isSharedError(fetch, outcome)) {
    const collected = await collectResponse(outcome.body, maxErrorBytes);
    if (collected.kind === "complete") {
      publish({ kind: "error", outcome, bytes: collected.body });
      return ended("failed");
    }
    if (collected.kind === "failed") {
      publish({ kind: "failed", failed: collected });
      return ended("failed");
    }
    collected.rest.unshift(collected.head);
  }
  if (outdates !== null && replaces(request, outcome.status, reason)) await drop(deps, request);
  publish({ kind: "own", outcome, reason: reason ?? "store-unavailable", now });
  await ended("not-storable");
  const isPartial = [206, 304, 416].includes(outcome.status); // caused by the client's own Range or conditions
  if (reason !== null && !isPartial && !requestSpecific.has(reason))
    await mark(deps, request, reason, options);
}

/** A longer body is not judged. */
const maxJudgedBytes = 1024 * 1024;

type Read =
  | { readonly kind: "read"; readonly body: Readable; readonly isFailure: boolean }
  | { readonly kind: "cut"; readonly failed: Failed };

/** Where the route judges by the body, it is read before anybody gets it: a failure is not shared. */
async function readWhereJudged({ policy }: CachedRequest, outcome: Responded): Promise<Read> {
  const { status, headers, body } = outcome;
  if (policy.failedWhen === null || status < 200 || status >= 300)
    return { kind: "read", body, isFailure: false };
  const collected = await collectResponse(body, maxJudgedBytes);
  if (collected.kind === "failed") return { kind: "cut", failed: collected };
  if (collected.kind === "too-large") {
    collected.rest.unshift(collected.head);
    return { kind: "read", body: collected.rest, isFailure: false };
  }
  const whole = Readable.from([collected.body], { objectMode: false });
  return {
    kind: "read",
    body: whole,
    isFailure: saysFailure(policy, { status, headers, body: collected.body }),
  };
}

/** A longer error is not held for others. */
const maxErrorBytes = 64 * 1024;

/** An error of the service, not of this request: others wait for the same fetch, and it sets no cookie of its client. */
function isSharedError({ options: { lease } }: Fetch, { status, headers }: Responded): boolean {
  const isCollapsed = lease.flight !== "" || lease.token !== null;
  return isCollapsed && isErrorStatus(status) && headerValue(headers, "set-cookie") === null;
}

/**
 * RFC 9111 4.3.3: a full response replaces the stored one. Exceptions: it is not stored because of this request or its
 * cookies, or it is an error, which says nothing about the resource.
 */
function replaces({ head }: CachedRequest, status: number, reason: NotStored | null): boolean {
  if (reason === null || requestSpecific.has(reason) || reason === "set-cookie") return false;
  if (headerValue(head.headers, "authorization") !== null) return false;
  return (
    (status >= 200 && status < 400 && status !== 206 && status !== 304) || status === 404 || status === 410
  );
}

/** Reasons that depend on this request only and do not predict the next one. */
const requestSpecific: ReadonlySet<NotStored> = new Set([
  "method",
  "request-no-store",
  "authorization",
  "store-unavailable",
  "not-collapsed",
]);

function notStoredBecause(judgement: Judgement, { mayStore, marker }: FetchOptions): NotStored | null {
  if (!judgement.storable) return judgement.reason;
  if (!mayStore) return "store-unavailable";
  // The previous response exceeded the size limit: do not write another one only to discard it.
  return marker === "too-large" && judgement.metadata.bodyBytes === 0 ? "too-large" : null;
}

/** Releases the lease and notifies waiting nodes, once. */
function finisher(deps: CacheDeps, { lease }: FetchOptions): (notice: FlightNotice) => Promise<void> {
  let done = false;
  return async (notice) => {
    if (done) return;
    done = true;
    if (notice === "stored") return; // the commit has notified them
    await deps.store.finish(lease, notice).catch(() => {}); // the lease expires by itself
  };
}

async function mark(
  deps: CacheDeps,
  request: CachedRequest,
  reason: NotStored,
  options: FetchOptions,
): Promise<void> {
  if (!options.mayStore || options.marker === reason) return;
  await deps.store
    .markUnshareable(request.key, reason, markerMs)
    .catch((error: unknown) => deps.observe.storeError("store", error));
}
