import type { RequestHead } from "@sticky-proxy/core/http";
import {
  conditionFailed,
  isSampled,
  orderKeys,
  type CoverageOutcome,
  type OrderSecret,
} from "@sticky-proxy/core/mirror";
import { provedDigest } from "@sticky-proxy/core/principal";
import type { MirrorPolicy, Route, Service } from "@sticky-proxy/core/registry";
import { Problem, readIdempotencyKey, type Clock } from "@sticky-proxy/protocol";

import type { LoopGuard } from "./loop-guard.ts";
import type { ShadowJob, ShadowQueue } from "@sticky-proxy/mirror";
import type { BodyTaps } from "./tap-body.ts";
import { isFirstHand, tapReply, tapRequest, type TappedBody } from "./tapped-exchange.ts";
import type { Reply } from "../reply.ts";
import type { Middleware, ProxyState } from "../state.ts";

export interface MirrorDeps {
  readonly guard: LoopGuard;
  readonly shadow: ShadowQueue;
  readonly taps: BodyTaps;
  /** The registry's service of that name, or null. */
  readonly serviceOf: (name: string) => Service | null;
  /** Keys the order keys; shared by all replicas. */
  readonly secret: OrderSecret;
  readonly clock: Clock;
}

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
    const request = tapRequest(deps.taps, state);
    try {
      await next();
    } catch (error) {
      // The service may have run it for a client that left or had no answer in time (R4).
      if (error instanceof Problem && mayHaveRun(error, state)) {
        offerCopy(deps, state, service, route, policy, request, "primary-unknown");
      } else request.release();
      throw error;
    }
    const { reply } = state;
    const primary = reply === null ? null : primaryOf(deps.taps, state, reply, startedAt, clock);
    if (primary === null) request.release();
    else offerCopy(deps, state, service, route, policy, request, primary);
  };
}

function takesCopy(policy: MirrorPolicy, method: string): boolean {
  return policy.mode === "shadow" || (policy.mode === "dual-read" && isRead(method));
}

function isRead(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/** What the primary said, as soon as it is known; null: the reply is no execution of this request's own. */
type Primary = ShadowJob["primary"] | Promise<ShadowJob["primary"]>;

/** Hands the request's copy to the queue once both bodies have passed. Waits for nobody, throws nothing. */
function offerCopy(
  deps: MirrorDeps,
  state: ProxyState,
  service: Service,
  route: Route,
  policy: MirrorPolicy,
  request: TappedBody,
  primary: Primary,
): void {
  const { shadow } = deps;
  const secondary = deps.serviceOf(policy.to);
  if (secondary === null) return request.release();
  const { head: received, serviceHead: head, options, principal } = state;
  const at = deps.clock.now();
  void Promise.all([request.body(), primary]).then(([tapped, said]) => {
    const body = typeof tapped === "string" ? empty : tapped;
    const { orderKey, after } = orderKeys(
      { principal: provedDigest(principal), service: service.name, head, body },
      policy.orderKey,
      deps.secret,
    );
    const skip = (outcome: CoverageOutcome): void => shadow.skip(service.name, route.name, orderKey, outcome);
    if (!isSampled(orderKey, policy.rate)) return request.release();
    if (typeof tapped === "string") skip(skippedAs[tapped]);
    // Without its condition the copy would write what the primary did not.
    else if (typeof said !== "string" && conditionFailed(said.status) && !isRead(head.method))
      skip("skipped:not-applicable");
    // Nothing to compare a read with: it is only counted.
    else if (typeof said === "string" && policy.mode === "dual-read") skip(`skipped:${said}`);
    else {
      const idempotencyKey = options?.key ?? keyOf(received);
      const rest = { service, secondary, route, policy, head, body, orderKey, after };
      shadow.offer({ ...rest, idempotencyKey, primary: said, at });
    }
    request.release();
  });
}

const skippedAs = {
  "body-too-large": "skipped:body-too-large",
  memory: "skipped:shed",
  broken: "skipped:primary-unknown",
} as const;

function primaryOf(
  taps: BodyTaps,
  { verdict, client }: ProxyState,
  reply: Reply,
  startedAt: number,
  clock: Pick<Clock, "monotonic">,
): Primary | null {
  // A stored answer, a replay, a join or our own problem is no execution (R2, R23).
  if (!isFirstHand(reply)) return reply.status === 202 && verdict === "start" ? "asynchronous" : null;
  const { status, headers } = reply;
  const latencyMs = clock.monotonic() - startedAt;
  const answer = tapReply(taps, reply, client.holder);
  // After the answer: the client's bytes go first.
  return answer.body().then((body) => {
    answer.release();
    if (body === "broken") return "primary-unknown";
    return { status, headers, body: typeof body === "string" ? null : body, latencyMs };
  });
}

/** Not of a request that joined another one's execution. */
function mayHaveRun(problem: Problem, { options, verdict }: ProxyState): boolean {
  const isOwn = options === null || verdict === "start";
  return isOwn && problem.status >= 500 && problem.executed !== "no" && problem.executed !== null;
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
