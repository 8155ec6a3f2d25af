/**
 * One fetch: the exchange with the service, and what is stored of it. It runs detached from whoever asked for it.
 *
 * The head tells, as soon as the response's header section is there, whether others may have the response too.
 * A response that is stored shows its end only after the commit, so whoever saw the end finds it stored.
 */
import { headerValue, type HeaderList } from "@sticky-proxy/core/http";
import {
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
import { commit, markerMs, storeResponse } from "./store-response.ts";

export type FetchHead =
  /** Storable: whoever it suits may read along. */
  | {
      readonly kind: "shared";
      readonly metadata: StoredMetadata;
      readonly outcome: Responded;
      readonly body: SharedBody;
      readonly now: number;
      /** Resolves to what became of it in the store. */
      readonly committed: Promise<Committed | "failed">;
    }
  /** For the one who asked; everybody else asks alone. */
  | { readonly kind: "own"; readonly outcome: Responded; readonly reason: NotStored; readonly now: number }
  | {
      readonly kind: "revalidated";
      readonly metadata: StoredMetadata;
      /** With the fields that are only for the one who asked: named by no-cache="…" or private="…". */
      readonly headers: HeaderList;
      readonly isStored: boolean;
      readonly now: number;
    }
  | { readonly kind: "masked"; readonly status: number }
  | { readonly kind: "failed"; readonly failed: Failed };

export type NotStored = NotStorable | "store-unavailable" | "not-collapsed";

export interface FetchOptions {
  readonly lease: FetchLease;
  /** false: the store did not answer, so nothing is stored. */
  readonly mayStore: boolean;
  /** The marker that the look-up found; null: none. */
  readonly marker: string | null;
}

/** A node that dies holds up those who wait elsewhere for so long; renewed every third while the fetch runs. */
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
    // When it cannot be renewed it runs out: then another node fetches too, and this one stores nothing.
    await store.renew(lease, fetchLeaseMs).catch(() => {});
  }
}

async function run(
  deps: CacheDeps,
  request: CachedRequest,
  plan: ExchangePlan,
  options: FetchOptions,
  tell: (head: FetchHead) => void,
): Promise<void> {
  const startedAt = deps.monotonic();
  const ended = finisher(deps, options);
  try {
    const exchanged = await exchange(deps, request, plan);
    switch (exchanged.kind) {
      case "failed":
        tell(exchanged);
        await ended("failed");
        return;
      case "masked":
        tell(exchanged);
        await ended("failed");
        return;
      case "revalidated": {
        const word = await storeRevalidated(deps, request, exchanged, options);
        if (word === "gone") {
          // The body is not there any more: the whole is needed after all.
          await run(deps, request, { ...plan, validates: null }, options, tell);
          return;
        }
        const metadata = revalidatedMetadata(exchanged);
        const headers = [...metadata.headers, ...ownFields(exchanged, metadata)];
        tell({ kind: "revalidated", metadata, headers, isStored: word === "stored", now: exchanged.now });
        await ended(word === "stored" ? "stored" : word === "older" ? "failed" : "not-storable");
        return;
      }
      case "response": {
        const { outcome, judgement, now } = exchanged;
        const reason = notStoredBecause(judgement, options);
        if (reason === null && judgement.storable) {
          const until = startedAt + maxFetchMs;
          const { metadata } = judgement;
          const { outdates } = plan;
          await storeResponse(
            deps,
            { request, lease: options.lease, response: outcome, metadata, outdates, until, ended },
            (shared) => tell({ kind: "shared", outcome, now, metadata, ...shared }),
          );
          return;
        }
        if (plan.outdates !== null && replaces(request, outcome.status, reason)) await drop(deps, request);
        tell({ kind: "own", outcome, reason: reason ?? "store-unavailable", now });
        await ended("not-storable");
        const isPartial = [206, 304, 416].includes(outcome.status); // what the client's own fields asked for
        if (reason !== null && !isPartial && !requestSpecific.has(reason))
          await mark(deps, request, reason, options);
      }
    }
  } catch (error) {
    await ended("failed");
    throw error;
  }
}

/**
 * 4.3.3: a full response means that what was stored is not suitable any more. Not where the request or its cookies are
 * the reason why it is not stored, and not for an error: that says nothing about the resource.
 */
function replaces({ head }: CachedRequest, status: number, reason: NotStored | null): boolean {
  if (reason === null || requestSpecific.has(reason) || reason === "set-cookie") return false;
  if (headerValue(head.headers, "authorization") !== null) return false;
  return (
    (status >= 200 && status < 400 && status !== 206 && status !== 304) || status === 404 || status === 410
  );
}

async function drop(deps: CacheDeps, { key }: CachedRequest): Promise<void> {
  await deps.store.drop(key, false).catch((error: unknown) => deps.observe.storeError("drop", error));
}

/** Reasons that lie in this request and say nothing about the next one. */
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
  // It was too large a moment ago; trying again would fill the store with what is thrown away.
  return marker === "too-large" && judgement.metadata.bodyBytes === 0 ? "too-large" : null;
}

/** Frees the lease and tells those who wait elsewhere, once. */
function finisher(deps: CacheDeps, { lease }: FetchOptions): (notice: FlightNotice) => Promise<void> {
  let done = false;
  return async (notice) => {
    if (done) return;
    done = true;
    if (notice === "stored") return; // the commit has told them
    await deps.store.finish(lease, notice).catch(() => {}); // its time limit frees it
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

type Revalidated = Extract<Exchanged, { kind: "revalidated" }>;

/** What the 304 brought and others may not have. */
function ownFields({ response }: Revalidated, { headers }: StoredMetadata): HeaderList {
  const shared = new Set(["age", "content-length", ...headers.map(([name]) => name.toLowerCase())]);
  return response.headers.filter(([name]) => !shared.has(name.toLowerCase()));
}

/** The stored response with the fields of the 304; it may not be stored again, but this client gets it. */
function revalidatedMetadata({ stored, response, judgement }: Revalidated): StoredMetadata {
  const { bodyId, bodyBytes } = stored;
  if (judgement.storable) return { ...judgement.metadata, bodyId, bodyBytes };
  const headers = response.headers.filter(([name]) => name.toLowerCase() !== "age");
  return { ...stored, headers, lifetimeMs: 0 };
}

async function storeRevalidated(
  deps: CacheDeps,
  request: CachedRequest,
  exchanged: Revalidated,
  { lease, mayStore }: FetchOptions,
): Promise<Committed | "failed"> {
  if (!mayStore) return "failed";
  if (!exchanged.judgement.storable) {
    // The service took back what it had allowed to be stored.
    await drop(deps, request);
    return "purged";
  }
  const { stored } = exchanged;
  const { maxVariants } = request.policy;
  return commit(deps, { lease, metadata: revalidatedMetadata(exchanged), replaces: stored, maxVariants });
}
