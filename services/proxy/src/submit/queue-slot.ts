/** Bounds the requests that wait for a service which asked for a pause; beyond the bound their clients are asked to wait. */
import { verdictOf, type Claim } from "@sticky-proxy/core/idempotency";
import type { ProcessPolicy, Service } from "@sticky-proxy/core/registry";
import { callerOf, type Processes, type Pacing } from "@sticky-proxy/engine";
import { formatRetryAfter, Problem, type Scope } from "@sticky-proxy/protocol";

export interface QueueSlot {
  /** How long the first dispatch has to wait; ms, 0: not at all. */
  readonly pausedMs: number;
  /** Gives the slot back, for a request whose process exists already. */
  release(): void;
}

export const noSlot: QueueSlot = { pausedMs: 0, release: () => undefined };

/** @throws Problem rate-limited: nothing was begun; StoreUnavailable */
export async function reserveQueueSlot(
  { processes, pacing }: { readonly processes: Pick<Processes, "read">; readonly pacing: Pacing },
  service: Pick<Service, "name" | "limits">,
  request: {
    readonly partition: number;
    readonly scope: Scope;
    readonly claim: Claim;
    readonly holder: string;
    readonly policy: ProcessPolicy;
  },
): Promise<QueueSlot> {
  const caller = callerOf({ credential: request.claim.credential, holder: request.holder });
  const pausedMs = pacing.pausedMs(service.name, caller);
  if (pausedMs === 0) return noSlot;
  const release = pacing.reserve(service.name, caller, pausedMs, service.limits.maxQueue);
  if (release !== null) return { pausedMs, release };
  // The queue is full; but a duplicate needs no slot: it joins a process or has its result already.
  const { partition, scope, claim, policy } = request;
  const { record, now } = await processes.read({ partition, scope, epoch: null }, { withResult: false });
  if (verdictOf(record, claim, policy, now).verdict !== "start") return { ...noSlot, pausedMs };
  throw new Problem("rate-limited", {
    service: service.name,
    detail: "The service asked for a pause, and too many requests wait for its end.",
    headers: { "Retry-After": formatRetryAfter(pausedMs) },
  });
}
