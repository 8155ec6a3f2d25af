import { headerValue, isSampled, orderKeyHash } from "@sticky-proxy/core";
import type { MirrorPolicy, Route, Service } from "@sticky-proxy/core";
import { fields, readIdempotencyKey } from "@sticky-proxy/protocol";

import type { LoopGuard } from "../mirror/loop-guard.ts";
import type { ShadowQueue } from "../mirror/shadow-queue.ts";
import { tapBody } from "../mirror/tap-body.ts";
import type { Reply } from "../process/reply.ts";
import type { Middleware, ProxyState } from "../state.ts";

export interface MirrorDeps {
  readonly guard: LoopGuard;
  readonly shadow: ShadowQueue;
  /** The registry's service of that name, or null. */
  readonly serviceOf: (name: string) => Service | null;
  /** Keys the order keys; shared by all replicas. */
  readonly secret: string | Uint8Array;
  /** The store's clock as far as this node knows it, epoch ms. */
  readonly now: () => number;
  /** Monotonic ms. */
  readonly monotonic: () => number;
}

/** A longer answer is not copied. */
const maxCopiedBytes = 1024 * 1024;
const empty = new Uint8Array(0);

/**
 * Takes a request's copy behind its answer (shadow, dual-read), and marks what goes to the service so that no gateway
 * behind it makes another; the durable copies of dual-write are the process's. Reads state.service, state.route,
 * state.head; writes state.trace, and takes the mirror off state.route where the copy was made before us.
 */
export function mirror(deps: MirrorDeps): Middleware {
  const { guard, monotonic } = deps;
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
    if (route !== null && policy !== null && takesCopy(policy, state.serviceHead.method)) {
      const startedAt = monotonic();
      const { send } = state;
      state.send = (reply, options) => {
        state.send = send;
        const latencyMs = monotonic() - startedAt;
        return send(copied(deps, state, service, route, policy, reply, latencyMs), options);
      };
    }
    return next();
  };
}

function takesCopy(policy: MirrorPolicy, method: string): boolean {
  if (policy.mode === "dual-read") return method === "GET" || method === "HEAD";
  return policy.mode === "shadow";
}

/** The reply to be sent; its copy goes to the queue when it is complete. */
function copied(
  deps: MirrorDeps,
  state: ProxyState,
  service: Service,
  route: Route,
  policy: MirrorPolicy,
  reply: Reply,
  latencyMs: number,
): Reply {
  const { shadow } = deps;
  const secondary = deps.serviceOf(policy.to);
  // A stored answer, a replay, a join or our own problem is no execution (rules 2, 23).
  if (!isFirstHand(reply) || secondary === null) return reply;
  const { serviceHead, body } = state;
  const requestBody = body instanceof Uint8Array ? body : empty;
  const source = { tenant: "", service: service.name, head: serviceHead, body: requestBody };
  const orderKey = orderKeyHash(source, policy.orderKey, deps.secret);
  if (!isSampled(orderKey, policy.rate)) return reply;
  const skip = (): void => shadow.skip(service.name, route.name, orderKey, "skipped:body-too-large");
  if (body !== null && !(body instanceof Uint8Array)) {
    skip();
    return reply;
  }
  const at = deps.now();
  const offer = (answer: Uint8Array | null): void => {
    if (answer === null || answer.length > maxCopiedBytes) return skip();
    shadow.offer({
      service,
      secondary,
      route,
      policy,
      head: serviceHead,
      body: requestBody,
      orderKey,
      idempotencyKey: state.wishes?.key ?? keyOf(state),
      primary: { status: reply.status, headers: reply.headers, body: answer, latencyMs },
      at,
    });
  };
  if (reply.body === null || reply.body instanceof Uint8Array) {
    // After the answer: the client's bytes go first.
    setImmediate(offer, reply.body ?? empty);
    return reply;
  }
  const tapped = tapBody(reply.body, maxCopiedBytes);
  void tapped.copy.then(offer);
  return { ...reply, body: tapped.body };
}

function isFirstHand(reply: Reply): boolean {
  return (
    headerValue(reply.headers, fields.stickySource.toLowerCase()) === "service" &&
    headerValue(reply.headers, fields.idempotentReplayed.toLowerCase()) !== "true"
  );
}

/** A key that this route does not use itself still tells the secondary's repeats apart. */
function keyOf({ head }: ProxyState): string | null {
  const lines = head.headers
    .filter(([name]) => name.toLowerCase() === "idempotency-key")
    .map(([, value]) => value);
  try {
    return readIdempotencyKey(lines, []);
  } catch {
    return null;
  }
}
