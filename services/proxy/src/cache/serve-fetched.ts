/** Forwards the request, alone or collapsed with others, and answers with what comes of it. */
import {
  isNotModified,
  isOtherVariant,
  mayReuseCollapsed,
  notModifiedHeaders,
  type CacheDecision,
  type Lookup,
} from "@sticky-proxy/core/cache";
import type { Reply } from "../reply.ts";
import { asGet, type CachedRequest } from "./cached-request.ts";
import { startFetch } from "./fetch.ts";
import type { FlightHead, LeaderPlan } from "./lead-flight.ts";
import { forwardHead } from "./forward-head.ts";
import type { CacheOutcome, OpenOutcome } from "./outcome.ts";
import { serveStaleIfError, storedResponse, type Round, type ServeDeps } from "./serve-stored.ts";
import { sharedReply } from "./shared-reply.ts";

export type Forwarding = Extract<CacheDecision, { action: "fetch" | "validate" }>;

/** Shares the fetch of `flight` with the other requests that one response can satisfy. */
export async function forwardCollapsed(
  deps: ServeDeps,
  round: Round & { readonly found: Lookup },
  decision: Forwarding,
  flight: string,
): Promise<CacheOutcome> {
  const { request, found } = round;
  const joined = deps.flights.join(asFetched(request), flight, found, planOf(round, decision));
  const head = await joined.flight.head;
  return outcomeOf(deps, round, decision, head, !joined.isLeader);
}

/** Its own fetch, ended when the client is gone. Nothing is stored when the store does not answer. */
export async function forwardAlone(
  deps: ServeDeps,
  round: Round,
  decision: Forwarding,
): Promise<CacheOutcome> {
  const { request, found, now, gone } = round;
  const lease = { key: request.key, flight: "", token: null };
  const start = found === null ? null : await deps.store.begin(lease, null).catch(() => null);
  const head = await startFetch(
    deps,
    asFetched(request),
    {
      ...planOf(round, decision),
      keepConditions: decision.action === "fetch" && decision.keepConditions,
      generation: start?.generation ?? 0,
      now: start?.now ?? now,
      signal: gone,
    },
    { lease, mayStore: start !== null, marker: found?.unshareable ?? null },
  );
  return outcomeOf(deps, round, decision, head, false);
}

/** A HEAD is never collapsed; its response updates the stored GET response (RFC 9111 4.3.5). */
export async function forwardHeadRequest(
  deps: ServeDeps,
  round: Round,
  decision: Forwarding,
): Promise<CacheOutcome> {
  const { fallback } = decision;
  const answer = await forwardHead(deps, round.request, decision, round.now, round.gone);
  switch (answer.kind) {
    case "reply":
      return {
        kind: "response",
        reply: answer.reply,
        handling: { result: "MISS", source: "service", fwd: decision.cause },
      };
    case "masked":
      return serveStaleIfError(deps, round, decision, answer.status);
    case "failed": {
      const { failed } = answer;
      const stale = fallback.onDisconnect ? await serveStaleIfError(deps, round, decision, null) : null;
      if (stale?.kind === "response") return stale;
      return { kind: "failed", failed, collapsed: false, mustValidate: fallback.isForbidden };
    }
  }
}

/** What fills the cache is the GET; a HEAD is answered from its head. */
function asFetched(request: CachedRequest): CachedRequest {
  return request.head.method === "HEAD" ? { ...request, head: asGet(request.head) } : request;
}

function planOf({ onInformational }: Round, decision: Forwarding): LeaderPlan {
  const validates =
    decision.action === "validate" ? { stored: decision.stored, conditions: decision.conditions } : null;
  return { validates, outdates: decision.stored, fallback: decision.fallback, onInformational };
}

/** What the head of a fetch means for one request. `collapsed`: another request started the fetch. */
async function outcomeOf(
  deps: ServeDeps,
  round: Round,
  decision: Forwarding,
  head: FlightHead,
  collapsed: boolean,
): Promise<CacheOutcome> {
  const { request } = round;
  const { cause, fallback } = decision;
  if (collapsed && head.kind !== "key-changed")
    deps.observe.collapsed({ service: request.service.name, route: request.route.name });
  switch (head.kind) {
    case "key-changed":
      return head;
    case "not-collapsed":
      return notReusable;
    case "failed": {
      const { failed } = head;
      // A fetch that the caller's own signal ended says nothing about the service, so nothing is masked.
      const isMasked = fallback.onDisconnect && !failed.aborted;
      const stale = isMasked ? await serveStaleIfError(deps, round, decision, null) : null;
      if (stale?.kind === "response") return stale;
      return { kind: "failed", failed, collapsed, mustValidate: fallback.isForbidden };
    }
    case "masked":
      if (!fallback.onErrorStatus) return notReusable;
      return serveStaleIfError(deps, round, decision, head.status);
    case "revalidated": {
      const { metadata, now, isStored, headers } = head;
      if (collapsed && !(isStored && isReusable(round, head))) return notReusable;
      const stored = collapsed ? metadata : { ...metadata, headers };
      return storedResponse(deps, request, stored, now, {
        result: "REVALIDATED",
        source: "store",
        fwd: cause,
        fwdStatus: 304,
        stored: isStored,
        collapsed,
      });
    }
    case "shared":
      if (collapsed && !isReusable(round, head)) return apartFrom(round, head);
      return sharedResponse(round, decision, head, collapsed);
    case "error": {
      const { status, headers } = head.outcome;
      return {
        kind: "response",
        reply: { status, headers, body: request.head.method === "HEAD" ? null : head.bytes },
        handling: { result: "MISS", source: collapsed ? "store" : "service", fwd: cause, collapsed },
      };
    }
    case "own": {
      if (collapsed) return notReusable;
      return {
        kind: "response",
        reply: ownReply(request, decision, head),
        handling: { result: "MISS", source: "service", fwd: cause, detail: head.reason },
      };
    }
  }
}

/** A response for this request alone. The client's condition that the service was not told is judged here. */
function ownReply(
  { head: request }: CachedRequest,
  decision: Forwarding,
  { outcome, now }: Extract<FlightHead, { kind: "own" }>,
): Reply {
  const { status, headers, body, trailers } = outcome;
  const isTold = decision.action === "validate" || !decision.fills;
  const isHead = request.method === "HEAD";
  if (isTold) return { status, headers, body, trailers };
  const isCurrent = isNotModified(request.headers, { status, headers, dateAt: now }, now);
  if (!isCurrent && !isHead) return { status, headers, body, trailers };
  body.on("error", () => {}).destroy();
  return isCurrent
    ? { status: 304, headers: notModifiedHeaders(headers), body: null }
    : { status, headers, body: null };
}

async function sharedResponse(
  { request }: Round,
  { cause }: Forwarding,
  head: Extract<FlightHead, { kind: "shared" }>,
  collapsed: boolean,
): Promise<CacheOutcome> {
  const { status, trailers } = head.outcome;
  const reply = sharedReply(request.head, head, !collapsed);
  // A 304 has no body whose end waits for the commit (C1); the client's next request must find the response stored.
  if (reply.status === 304) await head.committed;
  return {
    kind: "response",
    reply: { ...reply, trailers },
    handling: {
      result: "MISS",
      // A collapsed response is not first-hand: the mirror step must not copy it once more.
      source: collapsed ? "store" : "service",
      fwd: cause,
      stored: true,
      collapsed,
      ...(reply.status === status ? {} : { fwdStatus: status }),
    },
  };
}

function isReusable(
  { request, found }: Round,
  { metadata, now }: Extract<FlightHead, { kind: "shared" | "revalidated" }>,
): boolean {
  return mayReuseCollapsed(request.head, metadata, request.policy, found?.generation ?? null, now);
}

/** Requests for one variant share a fetch, also where its response has yet to say that there are variants. */
function apartFrom({ request }: Round, { metadata }: Extract<FlightHead, { kind: "shared" }>): OpenOutcome {
  if (!isOtherVariant(request.head, metadata)) return notReusable;
  return { kind: "other-variant", varyNames: metadata.varyNames };
}

const notReusable: OpenOutcome = { kind: "not-reusable" };
