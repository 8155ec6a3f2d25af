import { headerValue, type RequestHead } from "@sticky-proxy/core/http";
import { conditionFailed, isSampled, orderKeys, type OrderSecret } from "@sticky-proxy/core/mirror";
import { provedDigest } from "@sticky-proxy/core/principal";
import type { MirrorPolicy, Route, Service } from "@sticky-proxy/core/registry";
import { fields, Problem, readIdempotencyKey, type Clock } from "@sticky-proxy/protocol";

import type { LoopGuard } from "./loop-guard.ts";
import type { ShadowJob, ShadowQueue } from "@sticky-proxy/mirror";
import { tapBody } from "./tap-body.ts";
import type { Reply } from "../reply.ts";
import type { Middleware, ProxyState } from "../state.ts";

export interface MirrorDeps {
  readonly guard: LoopGuard;
  readonly shadow: ShadowQueue;
  /** The registry's service of that name, or null. */
  readonly serviceOf: (name: string) => Service | null;
  /** Keys the order keys; shared by all replicas. */
  readonly secret: OrderSecret;
  readonly clock: Clock;
}

/** A longer answer is not copied. */
const maxCopiedBytes = 1024 * 1024;
const empty = new Uint8Array(0);

/**
 * Takes a request's copy behind its answer (shadow, dual-read), and marks what goes to the service so that no gateway
 * behind it makes another; the durable copies of dual-write are the process's. Reads state.service, state.route,
 * state.head; writes state.trace, state.reply, and takes the mirror off state.route where the copy was made before us.
 */
export function mirror(deps: MirrorDeps): Middleware {
  const { guard, clock } = deps;
  return async function mirror(ctx, next) {
    const { state } = ctx;
    const { service, route } = state;
    const passed = guard.read(state.head, state.client.peer);
    const policy = route?.mirror ?? null;
    const isOn = policy !== null && policy.mode !== "off";
    if (service === null || (passed === null && !isOn)) return next();

    // A dual-write process marks each of its dispatches itself, wherever it is made.
    const isDurable = passed === null && policy?.mode === "dual-write";
    if (!isDurable) state.trace = [...state.trace, ...guard.lines(state.serviceHead, passed)];
    if (passed !== null) {
      if (route !== null && policy !== null) state.route = { ...route, mirror: null };
      state.logFields["mirrored"] = "before";
      return next();
    }
    if (route === null || policy === null || !takesCopy(policy, state.serviceHead.method)) return next();
    const startedAt = clock.monotonic();
    try {
      await next();
    } catch (error) {
      // The service may have run it for a client that left or had no answer in time (R4).
      if (error instanceof Problem && mayHaveRun(error, state)) {
        copyOf(deps, state, service, route, policy)?.("primary-unknown");
      }
      throw error;
    }
    const { reply } = state;
    if (reply === null) return;
    const offer = copyOf(deps, state, service, route, policy);
    if (offer !== null) state.reply = copied(offer, state, reply, clock.monotonic() - startedAt);
  };
}

function takesCopy(policy: MirrorPolicy, method: string): boolean {
  return policy.mode === "shadow" || (policy.mode === "dual-read" && isRead(method));
}

function isRead(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/** Hands the request's copy to the queue, with what the primary said. */
type Offer = (primary: ShadowJob["primary"]) => void;

/** null: its key is not sampled, or the secondary is not configured. */
function copyOf(
  deps: MirrorDeps,
  { head: received, serviceHead: head, body: given, options, principal }: ProxyState,
  service: Service,
  route: Route,
  policy: MirrorPolicy,
): Offer | null {
  const { shadow } = deps;
  const secondary = deps.serviceOf(policy.to);
  if (secondary === null) return null;
  const body = given instanceof Uint8Array ? given : empty;
  const { orderKey, after } = orderKeys(
    { principal: provedDigest(principal), service: service.name, head, body },
    policy.orderKey,
    deps.secret,
  );
  if (!isSampled(orderKey, policy.rate)) return null;
  const at = deps.clock.now();
  const idempotencyKey = options?.key ?? keyOf(received);
  return (primary) => {
    // Without its condition the copy would write what the primary did not.
    if (typeof primary !== "string" && conditionFailed(primary.status) && !isRead(head.method)) {
      shadow.skip(service.name, route.name, orderKey, "skipped:not-applicable");
      return;
    }
    // Nothing to compare a read with: it is only counted.
    if (typeof primary === "string" && policy.mode === "dual-read") {
      shadow.skip(service.name, route.name, orderKey, `skipped:${primary}`);
      return;
    }
    shadow.offer({
      service,
      secondary,
      route,
      policy,
      head,
      body,
      orderKey,
      after,
      idempotencyKey,
      primary,
      at,
    });
  };
}

/** The reply to be sent; its copy goes to the queue when it is complete. */
function copied(offer: Offer, { verdict }: ProxyState, reply: Reply, latencyMs: number): Reply {
  // A stored answer, a replay, a join or our own problem is no execution (R2, R23).
  if (!isFirstHand(reply)) {
    if (reply.status === 202 && verdict === "start") offer("asynchronous");
    return reply;
  }
  const { status, headers } = reply;
  const answered = (body: Uint8Array | "too-large" | "broken"): void => {
    if (body === "broken") return offer("primary-unknown");
    const isKept = body !== "too-large" && body.length <= maxCopiedBytes;
    offer({ status, headers, body: isKept ? body : null, latencyMs });
  };
  if (reply.body === null || reply.body instanceof Uint8Array) {
    // After the answer: the client's bytes go first.
    setImmediate(answered, reply.body ?? empty);
    return reply;
  }
  const tapped = tapBody(reply.body, maxCopiedBytes);
  void tapped.copy.then(answered);
  return { ...reply, body: tapped.body };
}

/** Not of a request that joined another one's execution. */
function mayHaveRun(problem: Problem, { options, verdict }: ProxyState): boolean {
  const isOwn = options === null || verdict === "start";
  return isOwn && problem.status >= 500 && problem.executed !== "no" && problem.executed !== null;
}

function isFirstHand(reply: Reply): boolean {
  return (
    headerValue(reply.headers, fields.stickySource.toLowerCase()) === "service" &&
    headerValue(reply.headers, fields.idempotentReplayed.toLowerCase()) !== "true"
  );
}

/** A key that this route does not use itself still tells the secondary's repeats apart. */
function keyOf({ headers }: RequestHead): string | null {
  const lines = headers
    .filter(([name]) => name.toLowerCase() === "idempotency-key")
    .map(([, value]) => value);
  try {
    return readIdempotencyKey(lines, []);
  } catch {
    return null;
  }
}
