/**
 * A GET or HEAD on a cached route: look up, let core decide, do it. When the store does not answer, the request goes
 * to the service as if there were no cache (fail open).
 */
import { BodyGone } from "@sticky-proxy/engine";
import {
  bypassCause,
  CacheUnavailable,
  currentAgeMs,
  decide,
  remainingMs,
  validationFields,
  variantOf,
  type CacheDecision,
  type Lookup,
  type StoredMetadata,
} from "@sticky-proxy/core/cache";
import { headerValue, type HeaderList } from "@sticky-proxy/core/http";
import { fields, Problem } from "@sticky-proxy/protocol";
import type { Failed } from "@sticky-proxy/upstream";
import type { Next } from "koa";
import { informational } from "../listener/informational.ts";
import { asksForTrailers, problemOf } from "../middleware/forward.ts";
import type { Reply } from "../reply.ts";
import type { ProxyContext } from "../state.ts";
import type { CacheDeps } from "./cache-deps.ts";
import { asGet, type CachedRequest } from "./cached-request.ts";
import { startFetch } from "./fetch.ts";
import type { FlightHead, Flights, LeaderPlan } from "./flights.ts";
import { forwardHead } from "./forward-head.ts";
import type { HitCounter } from "./hit-counter.ts";
import { withCacheFields, type Told } from "./reply-fields.ts";
import { sharedReply } from "./shared-reply.ts";
import { storedReply } from "./stored-reply.ts";

export interface ServeDeps extends CacheDeps {
  readonly flights: Flights;
  readonly hits: HitCounter;
}

/** Times round the loop of "look again" before a request goes alone. */
const maxRounds = 4;

type Forwarding = Extract<CacheDecision, { action: "fetch" | "validate" }>;

export async function serveCached(
  deps: ServeDeps,
  ctx: ProxyContext,
  next: Next,
  request: CachedRequest,
  isTrusted: (key: string) => Promise<boolean>,
): Promise<void> {
  const { state } = ctx;
  let mayWait = true;
  let failures = 0;
  let found = (await isTrusted(request.key)) ? await lookup() : null;

  for (let round = 0; ; round++) {
    const now = found?.now ?? Date.now();
    const decision = decide(request.head, found ?? nothing, request.policy, now);
    switch (decision.action) {
      case "bypass":
        return bypass(decision.reason);
      case "refuse":
        return refuse();
      case "serve": {
        const ttlMs = remainingMs(decision.stored, found?.softPurgedAt ?? null, now);
        const isFresh = decision.why === "fresh";
        const told: Told = {
          result: isFresh ? "HIT" : "STALE",
          source: "store",
          hit: true,
          ttlMs,
          detail: isFresh ? null : decision.why,
        };
        if (await sendStored(decision.stored, now, told)) {
          if (decision.refresh && found !== null) refresh(decision.stored, found);
          return;
        }
        found = await lookupAgain();
        continue;
      }
      case "fetch":
      case "validate": {
        if (request.head.method === "HEAD") return headAndTell(decision, now);
        const waits = decision.collapse && mayWait && found !== null && round < maxRounds;
        if (!waits) return fetchAlone(decision, found, now);
        const name = variantOf(request.head.headers, found?.varyNames ?? []);
        const joined = deps.flights.join(request, name, found ?? fail(), planOf(decision));
        const head = await joined.flight.head;
        const outcome = await answerFrom(head, decision, joined.isLeader, found ?? fail());
        if (outcome === "answered") return;
        if (outcome === "alone") mayWait = false;
        if (outcome === "failed" && head.kind === "failed") {
          // One of those who waited tries once more; then it is everybody's error.
          failures++;
          if (joined.isLeader || failures > 1) {
            if (failures > 1) deps.flights.shareFailure(request, name, head.failed);
            throw failure(head.failed, decision);
          }
        }
        found = await lookup();
      }
    }
  }

  async function lookup(): Promise<Lookup | null> {
    try {
      return await deps.store.lookup(request.key, (names) => variantOf(request.head.headers, names));
    } catch (error) {
      if (!(error instanceof CacheUnavailable)) throw error;
      deps.observe.storeError("lookup", error);
      return null;
    }
  }

  /** What was found could not be read: its body is gone, so the rest of it is of no use. */
  async function lookupAgain(): Promise<Lookup | null> {
    try {
      await deps.store.drop(request.key, false);
    } catch {
      return null;
    }
    return lookup();
  }

  function planOf(decision: Forwarding): LeaderPlan {
    const validates =
      decision.action === "validate" ? { stored: decision.stored, conditions: decision.conditions } : null;
    return {
      validates,
      outdates: decision.stored,
      fallback: decision.fallback,
      onInformational: (status, headers) => informational(ctx.res, state.client.httpVersion, status, headers),
    };
  }

  async function fetchAlone(decision: Forwarding, known: Lookup | null, now: number): Promise<void> {
    const lease = { key: request.key, flight: "", token: null };
    const begun = known === null ? null : await deps.store.begin(lease, null).catch(() => null);
    const head = await startFetch(
      deps,
      request,
      {
        ...planOf(decision),
        keepConditions: decision.action === "fetch" && decision.keepConditions,
        generation: begun?.generation ?? 0,
        now: begun?.now ?? now,
        signal: state.gone,
      },
      { lease, mayStore: begun !== null, marker: known?.unshareable ?? null },
    );
    const outcome = await answerFrom(head, decision, true, known);
    if (outcome === "failed" && head.kind === "failed") throw failure(head.failed, decision);
  }

  /** `alone`: the response is not for this request. `again`: look up anew. */
  async function answerFrom(
    head: FlightHead,
    decision: Forwarding,
    isLeader: boolean,
    known: Lookup | null,
  ): Promise<"answered" | "alone" | "again" | "failed"> {
    const collapsed = !isLeader;
    if (collapsed && head.kind !== "again") deps.observe.collapsed(request.route.name);
    switch (head.kind) {
      case "again":
        return "again";
      case "apart":
        return "alone";
      case "failed":
        if (!decision.fallback.onDisconnect || isRefusal(head.failed)) return "failed";
        return (await sendFallback(decision, known, null)) ? "answered" : "failed";
      case "masked":
        if (!decision.fallback.onErrorStatus) return "alone";
        return (await sendFallback(decision, known, head.status)) ? "answered" : "alone";
      case "revalidated": {
        if (collapsed && (!head.isStored || !suits(head.metadata, head.now, known))) return "alone";
        const told: Told = {
          result: "REVALIDATED",
          source: "store",
          fwd: decision.cause,
          fwdStatus: 304,
          stored: head.isStored,
          collapsed,
        };
        const metadata = isLeader ? { ...head.metadata, headers: head.headers } : head.metadata;
        return (await sendStored(metadata, head.now, told)) ? "answered" : "alone";
      }
      case "shared": {
        if (collapsed && !suits(head.metadata, head.now, known)) return "alone";
        // Another one's fetch is not first-hand: nothing of it is mirrored again.
        const source = collapsed ? "store" : "service";
        const told: Told = { result: "MISS", source, fwd: decision.cause, stored: true, collapsed };
        const { status } = head.outcome;
        const reply = sharedReply(request.head, head, isLeader);
        // A 304 has no body whose end waits for the commit; who asks again behind it must find the response all the same.
        if (reply.body === null) await head.committed;
        tell(
          reply,
          reply.status === status ? told : { ...told, fwdStatus: status },
          trailersOf(head.outcome),
        );
        return "answered";
      }
      case "own": {
        if (!isLeader) return "alone";
        const { status, headers, body, trailers } = head.outcome;
        const told: Told = { result: "MISS", source: "service", fwd: decision.cause, detail: head.reason };
        tell({ status, headers, body }, told, trailersOf({ trailers }));
        return "answered";
      }
    }
  }

  /** May this response of somebody else's fetch answer this request too? */
  function suits(metadata: StoredMetadata, now: number, known: Lookup | null): boolean {
    const { headers } = request.head;
    if (metadata.noCache || metadata.lifetimeMs <= currentAgeMs(metadata, now)) return false;
    if (metadata.variant !== variantOf(headers, metadata.varyNames)) return false;
    if (headerValue(metadata.headers, "set-cookie") !== null) return false;
    if (known !== null && metadata.generation < known.generation) return false;
    return metadata.sharedWithAuthorization || headerValue(headers, "authorization") === null;
  }

  async function sendFallback(
    decision: Forwarding,
    known: Lookup | null,
    status: number | null,
  ): Promise<boolean> {
    if (decision.stored === null || known === null) return false;
    const ttlMs = remainingMs(decision.stored, known.softPurgedAt, known.now);
    const forward = status === null ? { hit: true } : { fwd: decision.cause, fwdStatus: status };
    const told: Told = { result: "STALE", source: "store", ttlMs, detail: "stale-if-error", ...forward };
    return sendStored(decision.stored, known.now, told);
  }

  /** 5.2.2.2: 504 where a stored response must be validated first; what says more than "bad gateway" stays. */
  function failure(failed: Failed, { fallback }: Forwarding): Problem {
    const problem = problemOf(failed, state);
    if (!fallback.isForbidden || problem.status !== 502) return problem;
    const detail = `${failed.detail} What is stored may not be used without asking it.`;
    return new Problem("no-stored-response", { ...problem.options, detail });
  }

  /** false: the body cannot be read, and nothing was sent. */
  async function sendStored(stored: StoredMetadata, now: number, told: Told): Promise<boolean> {
    try {
      const reply = await storedReply(deps.store, request.head, request.key, stored, now);
      deps.hits.count(request.key);
      tell(reply, told);
      return true;
    } catch (error) {
      if (error instanceof BodyGone || error instanceof CacheUnavailable) return false;
      throw error;
    }
  }

  function refresh(stored: StoredMetadata, known: Lookup): void {
    const conditions = validationFields(stored.headers);
    const whole = { ...request, head: asGet(request.head) };
    deps.flights.refresh(whole, variantOf(request.head.headers, known.varyNames), known, {
      validates: conditions.length === 0 ? null : { stored, conditions },
      outdates: stored,
      fallback: { onErrorStatus: true, onDisconnect: true, isForbidden: false },
      onInformational: null,
    });
  }

  async function headAndTell(decision: Forwarding, now: number): Promise<void> {
    const answer = await forwardHead(deps, request, decision, now, state.gone);
    if (answer.kind === "failed") {
      const isMasked =
        answer.status === null ? decision.fallback.onDisconnect : decision.fallback.onErrorStatus;
      if (isMasked && (await sendFallback(decision, found, answer.status))) return;
      throw failure(answer.failed ?? fail(), decision);
    }
    tell(answer.reply, { result: "MISS", source: "service", fwd: decision.cause });
  }

  async function bypass(reason: Extract<CacheDecision, { action: "bypass" }>["reason"]): Promise<void> {
    state.serviceHead = request.head;
    note("BYPASS", reason);
    try {
      await next();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const headers = { ...error.options.headers, [fields.xCache]: "BYPASS" };
      throw new Problem(error.slug, { ...error.options, headers });
    }
    const { reply } = state;
    if (reply === null) return;
    const isOurs = reply.headers.some(([name, value]) => name === fields.stickySource && value === "gateway");
    state.reply = withCacheFields(reply, {
      result: "BYPASS",
      source: isOurs ? "gateway" : "service",
      fwd: bypassCause(reason),
      detail: reason,
    });
  }

  /** 5.2.1.7: 504, without asking the service. */
  function refuse(): never {
    note("MISS", "only-if-cached");
    const detail = "Nothing that is stored may answer this request, and it asked for nothing else.";
    throw new Problem("no-stored-response", { detail, service: request.service.name });
  }

  function trailersOf(outcome: { trailers: () => HeaderList }): (() => HeaderList) | null {
    return asksForTrailers(state) ? outcome.trailers : null;
  }

  function tell(reply: Reply, told: Told, trailers: (() => HeaderList) | null = null): void {
    note(told.result, told.detail ?? null);
    const key = request.policy.cacheStatusKey ? request.key : null;
    state.reply = { ...withCacheFields(reply, { ...told, key }), trailers };
  }

  function note(result: Told["result"], detail: string | null): void {
    deps.observe.result(request.route.name, result);
    state.logFields["cache"] = detail === null ? result : `${result} ${detail}`;
  }
}

const nothing = { stored: null, softPurgedAt: null, otherVariants: false, unshareable: null };

/** Failures of our own making are told, not hidden: the service was not asked. */
function isRefusal(failed: Failed): boolean {
  return failed.aborted;
}

function fail(): never {
  throw new Error("a fetch without its look-up");
}
