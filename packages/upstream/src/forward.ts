/**
 * One request to one service: admission (breaker, bulkhead), choice of an instance, dispatch, and the two resends that
 * are always safe: to another instance when no byte was sent, and once after the keep-alive race.
 *
 * F1 A request whose bytes were handed to a connection is sent again only if not one byte of a response came, the
 *    connection was a reused one, its method is idempotent or the service honours the key, and the caller allows it.
 * F2 A slot of the bulkhead is held until the response's body has ended or was destroyed.
 */
import { asMonotonicMs } from "@sticky-proxy/protocol";
import { holderOf, type ForwardRequest } from "./forward-request.ts";
import { affinityValue, type Service } from "@sticky-proxy/core/registry";

import { attempt, type AttemptDeps, type TunnelOpen, type TunnelOutcome } from "./attempt.ts";
import { failureSeen } from "./failure-seen.ts";
import { failedWith, type Failed, type UpstreamOutcome } from "./outcome.ts";
import { outgoingHeaders, type Names } from "./outgoing.ts";
import { allUnknown, ServiceTraffic, type HealthView, type TrafficView } from "./traffic.ts";

export interface Forwarder {
  /** Never rejects. A "responded" outcome's body must be read to its end or destroyed. */
  forward(request: ForwardRequest): Promise<UpstreamOutcome>;
  close(): Promise<void>;
}

export type TunnelRequest = Omit<ForwardRequest, "body" | "bodyLength" | "maxBodyBytes"> & {
  /** What Upgrade asks for. */
  readonly protocol: "websocket";
};

export interface Tunneller {
  /** Never rejects. "responded": the service answered instead of switching. */
  tunnel(request: TunnelRequest): Promise<TunnelOutcome>;
}

export interface ForwarderOptions extends Names, Pick<AttemptDeps, "onAttempt" | "onEjected"> {
  readonly health?: HealthView;
  /** Idle connections to services are closed after this; below theirs. Default 4000. */
  readonly keepAliveMs?: number;
  /** Largest header section of a response. Default 16384. */
  readonly maxResponseHeaderBytes?: number;
  /** Default: the process's own. */
  readonly clock?: AttemptDeps["clock"];
  /** Epoch milliseconds; default: this machine's clock. */
  readonly epochNow?: () => number;
  readonly random?: () => number;
}

const maxAttempts = 3;
const nobody: ReadonlySet<string> = new Set();
const ownClock: AttemptDeps["clock"] = { monotonic: () => asMonotonicMs(performance.now()) };

export function createForwarder(options: ForwarderOptions): Forwarder & Tunneller & TrafficView {
  const { health = allUnknown, clock = ownClock, random = Math.random } = options;
  const sending: SendingDeps = { ...options, health, clock, epochNow: options.epochNow ?? Date.now };
  const limits = {
    keepAliveMs: options.keepAliveMs ?? 4_000,
    maxHeaderBytes: options.maxResponseHeaderBytes ?? 16_384,
  };
  const services = new Map<string, ServiceTraffic>();

  function trafficOf(service: Service): ServiceTraffic {
    let traffic = services.get(service.name);
    if (traffic === undefined) services.set(service.name, (traffic = new ServiceTraffic(random, limits)));
    return traffic;
  }

  /** Keeps a slot of the service until the outcome's body or socket has closed (F2). */
  async function send(request: ForwardRequest, upgrade: string | null): Promise<TunnelOutcome> {
    const traffic = trafficOf(request.service);
    const refused = await admit(request, traffic, clock.monotonic());
    if (refused !== null) return seenBy(request, refused);
    let release: (() => void) | null = () =>
      traffic.bulkhead.leave(request.service.limits, holderOf(request));
    try {
      const outcome = seenBy(request, await attemptAll(sending, request, traffic, upgrade));
      if (outcome.kind !== "failed") {
        (outcome.kind === "switched" ? outcome.socket : outcome.body).once("close", release);
        release = null;
      }
      return outcome;
    } finally {
      release?.();
    }
  }

  return {
    async forward(request) {
      const outcome = await send(request, null);
      return outcome.kind === "switched" ? unasked(outcome) : outcome;
    },
    tunnel: (request) => send({ ...request, body: null, bodyLength: null }, request.protocol),
    async close() {
      await Promise.all([...services.values()].map((traffic) => traffic.close()));
      services.clear();
    },
    traffic: () => [...services].map(([service, traffic]) => traffic.snapshot(service, clock.monotonic())),
  };
}

type SendingDeps = AttemptDeps & Names;

function seenBy<Outcome extends TunnelOutcome>({ seen = null }: ForwardRequest, outcome: Outcome): Outcome {
  if (seen !== null && outcome.kind === "failed") seen.failed = failureSeen(outcome);
  return outcome;
}

/** null: a slot of the service is taken; release it with `leave`. */
async function admit(request: ForwardRequest, traffic: ServiceTraffic, now: number): Promise<Failed | null> {
  const { service, signal } = request;
  const passage = traffic.breaker.enter(service.breaker, holderOf(request), now);
  if (!passage.pass) {
    const detail = "The service is given a pause after repeated failures.";
    const retryAfter = Math.ceil(passage.openMs / 1000);
    return failedWith("circuit-open", "destination_unavailable", detail, { retryAfter });
  }
  if (traffic.bulkhead.tryEnter(service.limits, holderOf(request))) return null;
  const admission = await traffic.bulkhead.wait(service.limits, holderOf(request), signal);
  if (admission === "admitted") return null;
  if (admission === "aborted") return givenUp();
  const detail =
    admission === "full"
      ? "The service's queue is full."
      : "The request waited too long in the service's queue.";
  return failedWith("queue-full", "connection_limit_reached", detail, { retryAfter: 1 });
}

async function attemptAll(
  deps: SendingDeps,
  request: ForwardRequest,
  traffic: ServiceTraffic,
  upgrade: string | null,
): Promise<TunnelOutcome> {
  const { service } = request;
  const headers = outgoingHeaders(request, deps);
  const keptBy = affinityValue(service.affinity, request.head.headers, request.client?.address ?? null);
  let avoid = request.avoid ?? nobody;
  let last: Failed | null = null;
  for (let attempts = 1; ; attempts += 1) {
    if (request.signal.aborted) return givenUp();
    const choice = traffic.choose(service, deps.health, avoid, deps.clock.monotonic(), keptBy);
    if (choice === null) {
      return failedWith(
        "service-unavailable",
        "destination_unavailable",
        "Every instance of the service is down.",
        {
          retryAfter: 1,
        },
      );
    }
    // No other instance is left: report the first failure.
    if (last !== null && last.executed === "no" && avoid.has(choice.instance.name)) return last;
    const tried = await attempt(deps, { request, headers, traffic, choice, upgrade });
    if (tried.outcome.kind !== "failed") return tried.outcome;
    last = seenBy(request, tried.outcome);
    if (last.aborted || !tried.repeatable || attempts >= maxAttempts) return last;
    avoid = new Set([...avoid, choice.instance.name]);
  }
}

/** undici reports an upgrade only where the request asked for one. */
function unasked({ socket, instance }: TunnelOpen): Failed {
  socket.destroy();
  const detail = "The service switched protocols unasked.";
  return failedWith("upstream-invalid-response", "http_upgrade_failed", detail, {
    executed: "unknown",
    instance,
  });
}

function givenUp(): Failed {
  return failedWith("execution-lost", "proxy_internal_response", "The request was given up.", {
    aborted: true,
  });
}
