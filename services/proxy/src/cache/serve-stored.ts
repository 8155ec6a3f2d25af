/** Answers with the stored response: fresh, stale, revalidated, or in place of a failure of the service. */
import {
  CacheUnavailable,
  remainingMs,
  validationFields,
  variantOf,
  type CacheDecision,
  type Lookup,
  type StoredMetadata,
} from "@sticky-proxy/core/cache";
import { BodyGone } from "@sticky-proxy/engine";
import type { HeaderList } from "@sticky-proxy/core/http";
import type { CacheDeps } from "./cache-deps.ts";
import { asGet, type CachedRequest } from "./cached-request.ts";
import type { Flights } from "./flights.ts";
import type { HitCounter } from "./hit-counter.ts";
import type { CacheHandling, CacheOutcome, OpenOutcome } from "./outcome.ts";
import { storedReply } from "./stored-reply.ts";

export interface ServeDeps extends CacheDeps {
  readonly flights: Flights;
  readonly hits: HitCounter;
}

/** One request in one round. */
export interface Round {
  readonly request: CachedRequest;
  /** null: the store did not answer, or may not be trusted for this key. */
  readonly found: Lookup | null;
  /** Server time of the look-up, epoch ms. */
  readonly now: number;
  /** Aborts when the client is gone. */
  readonly gone: AbortSignal;
  /** Passes an interim response on to the client. */
  readonly onInformational: (status: number, headers: HeaderList) => void;
}

/** The decision "serve": a fresh response, or a stale one that may be reused; possibly revalidated behind it. */
export async function serveStored(
  deps: ServeDeps,
  round: Round,
  { stored, why, refresh }: Extract<CacheDecision, { action: "serve" }>,
): Promise<CacheOutcome> {
  const { request, found, now } = round;
  const isFresh = why === "fresh";
  const outcome = await storedResponse(deps, request, stored, now, {
    result: isFresh ? "HIT" : "STALE",
    source: "store",
    hit: true,
    ttlMs: remainingMs(stored, found?.softPurgedAt ?? null, now),
    detail: isFresh ? null : why,
  });
  if (refresh && found !== null && outcome.kind === "response") {
    revalidateInBackground(deps, request, stored, found);
  }
  return outcome;
}

/**
 * The stored response in place of a failure of the service (RFC 5861 4). `status`: the error response that it masks;
 * null: there was no response.
 */
export async function serveStaleIfError(
  deps: ServeDeps,
  { request, found }: Round,
  { stored, cause }: Extract<CacheDecision, { action: "fetch" | "validate" }>,
  status: number | null,
): Promise<CacheOutcome> {
  if (stored === null || found === null) return unreadable;
  const { softPurgedAt, now } = found;
  return storedResponse(deps, request, stored, now, {
    result: "STALE",
    source: "store",
    ttlMs: remainingMs(stored, softPurgedAt, now),
    detail: "stale-if-error",
    // RFC 9211 2.1: hit and fwd exclude each other.
    ...(status === null ? { hit: true } : { fwd: cause, fwdStatus: status }),
  });
}

/** Makes the reply from what is stored; "unreadable": the body cannot be read, and nothing was sent. */
export async function storedResponse(
  deps: ServeDeps,
  request: CachedRequest,
  stored: StoredMetadata,
  now: number,
  handling: CacheHandling,
): Promise<CacheOutcome> {
  try {
    const reply = await storedReply(deps.store, request.head, request.key, stored, now);
    deps.hits.count(request.key);
    return { kind: "response", reply, handling };
  } catch (error) {
    if (error instanceof BodyGone || error instanceof CacheUnavailable) return unreadable;
    throw error;
  }
}

/** RFC 5861 3. */
export function revalidateInBackground(
  { flights }: ServeDeps,
  request: CachedRequest,
  stored: StoredMetadata,
  found: Lookup,
): void {
  const conditions = validationFields(stored.headers);
  const get = { ...request, head: asGet(request.head), seen: null };
  flights.refresh(get, variantOf(request.head.headers, found.varyNames), found, {
    validates: conditions.length === 0 ? null : { stored, conditions },
    outdates: stored,
    fallback: { onErrorStatus: true, onDisconnect: true, isForbidden: false },
    onInformational: null,
  });
}

const unreadable: OpenOutcome = { kind: "unreadable" };
