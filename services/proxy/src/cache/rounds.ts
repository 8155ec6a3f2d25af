/**
 * The rounds of one GET or HEAD: look up, let core decide, serve or forward. A round whose outcome is open is followed
 * by another. When the store does not answer, the request is forwarded as if there were no cache.
 */
import {
  CacheUnavailable,
  decide,
  variantOf,
  type CacheDecision,
  type Lookup,
} from "@sticky-proxy/core/cache";
import type { CachedRequest } from "./cached-request.ts";
import type { CacheOutcome, FinalOutcome } from "./outcome.ts";
import { forwardAlone, forwardCollapsed, forwardHeadRequest } from "./serve-fetched.ts";
import {
  revalidateInBackground,
  serveStaleIfError,
  serveStored,
  type Round,
  type ServeDeps,
} from "./serve-stored.ts";

/** After so many rounds a request is no longer collapsed with others, and an unreadable store counts as absent. */
const maxRounds = 4;

export type ClientSide = Pick<Round, "gone" | "onInformational">;

/** `isTrusted` false: an invalidation of the key is not done yet, so the store may not be read. */
export async function runRounds(
  deps: ServeDeps,
  request: CachedRequest,
  client: ClientSide,
  isTrusted: boolean,
): Promise<FinalOutcome> {
  let mayCollapse = true;
  let failures = 0;
  /** As a collapsed fetch has told, before the store can. */
  let varyNames: readonly string[] | null = null;
  let found = isTrusted ? await lookup(deps, request) : null;

  for (let count = 0; ; count++) {
    const round = { ...client, request, found, now: found?.now ?? Date.now() };
    const known = found ?? nothing;
    // A response that could not be shared predicts the next one before its marker is read.
    const seen = mayCollapse ? known : { ...known, unshareable: known.unshareable ?? "not-shared" };
    const decision = decide(request.head, seen, request.policy, round.now);
    if (decision.action === "bypass") return { kind: "bypass", reason: decision.reason };
    if (decision.action === "refuse") return { kind: "not-cached" };

    const flight =
      decision.action !== "serve" && decision.collapse && mayCollapse && found !== null && count < maxRounds
        ? variantOf(request.head.headers, varyNames ?? found.varyNames)
        : null;
    const outcome = await follow(deps, round, decision, flight);
    switch (outcome.kind) {
      case "failed":
        // One of the collapsed requests tries once more; a second failure is the outcome of all.
        failures++;
        if (flight !== null && failures > 1) deps.flights.shareFailure(request, flight, outcome.failed);
        if (!outcome.collapsed || failures > 1) return outcome;
        break;
      case "not-reusable":
        mayCollapse = false;
        break;
      case "other-variant":
        ({ varyNames } = outcome);
        break;
      case "key-changed":
        break;
      case "unreadable":
        found = count < maxRounds ? await lookupWithoutUnreadable(deps, request) : null;
        continue;
      default:
        return outcome;
    }
    found = await lookup(deps, request);
  }
}

/** `flight`: the fetch to share; null: the request is not collapsed. */
async function follow(
  deps: ServeDeps,
  round: Round,
  decision: Extract<CacheDecision, { action: "serve" | "fetch" | "validate" }>,
  flight: string | null,
): Promise<CacheOutcome> {
  if (decision.action === "serve") return serveStored(deps, round, decision);
  const stale = await staleWhileFailing(deps, round, decision);
  if (stale !== null) return stale;
  const isFilling = decision.action === "fetch" && decision.fills;
  if (round.request.head.method === "HEAD" && !isFilling) return forwardHeadRequest(deps, round, decision);
  const { found } = round;
  if (flight === null || found === null) return forwardAlone(deps, round, decision);
  return forwardCollapsed(deps, { ...round, found }, decision, flight);
}

/**
 * RFC 5861 4: a service that gave no answer a moment ago is asked behind the stale response, not before it. null: nothing
 * stale may be served, or nothing failed.
 */
async function staleWhileFailing(
  deps: ServeDeps,
  round: Round,
  decision: Exclude<CacheDecision, { action: "serve" | "bypass" | "refuse" }>,
): Promise<CacheOutcome | null> {
  const { request, found } = round;
  const { stored, fallback } = decision;
  if (stored === null || found === null || !fallback.onDisconnect) return null;
  if (!deps.flights.isFailing(request, variantOf(request.head.headers, found.varyNames))) return null;
  const outcome = await serveStaleIfError(deps, round, decision, null);
  if (outcome.kind !== "response") return null;
  revalidateInBackground(deps, request, stored, found);
  return outcome;
}

/** null: the store did not answer. */
async function lookup({ store, observe }: ServeDeps, { key, head }: CachedRequest): Promise<Lookup | null> {
  try {
    return await store.lookup(key, (names) => variantOf(head.headers, names));
  } catch (error) {
    if (!(error instanceof CacheUnavailable)) throw error;
    observe.storeError("lookup", error);
    return null;
  }
}

/** Drops the stored response whose body cannot be read, so that the next round does not find it again. */
async function lookupWithoutUnreadable(deps: ServeDeps, request: CachedRequest): Promise<Lookup | null> {
  try {
    await deps.store.drop(request.key, false);
  } catch {
    return null;
  }
  return lookup(deps, request);
}

const nothing = { stored: null, softPurgedAt: null, otherVariants: false, unshareable: null };
