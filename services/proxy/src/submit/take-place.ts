/** Work for a service that asked for a pause waits, up to the service's queue bound; beyond it we ask for one too. */
import { verdictOf, type Claim } from "@sticky-proxy/core/idempotency";
import type { ProcessPolicy, Service } from "@sticky-proxy/core/registry";
import type { Processes, Pacing } from "@sticky-proxy/engine";
import { formatRetryAfter, Problem, type Scope } from "@sticky-proxy/protocol";

export interface Place {
  /** How long the first dispatch has to wait; 0: not at all. */
  readonly pausedMs: number;
  /** For a request that turns out not to wait: its process exists already. */
  release(): void;
}

export const atOnce: Place = { pausedMs: 0, release: () => undefined };

/** @throws Problem rate-limited: nothing was begun; StoreUnavailable */
export async function takePlace(
  { processes, pacing }: { readonly processes: Pick<Processes, "read">; readonly pacing: Pacing },
  service: Pick<Service, "name" | "limits">,
  request: {
    readonly partition: number;
    readonly scope: Scope;
    readonly claim: Claim;
    readonly policy: ProcessPolicy;
  },
): Promise<Place> {
  const pausedMs = pacing.pausedMs(service.name);
  if (pausedMs === 0) return atOnce;
  const release = pacing.reserve(service.name, pausedMs, service.limits.maxQueue);
  if (release !== null) return { pausedMs, release };
  // No place is left; but a duplicate needs none: it joins, or has its answer already.
  const { partition, scope, claim, policy } = request;
  const { record, now } = await processes.read({ partition, scope, epoch: null }, { withResult: false });
  if (verdictOf(record, claim, policy, now).verdict !== "start") return { ...atOnce, pausedMs };
  throw new Problem("rate-limited", {
    service: service.name,
    detail: "The service asked for a pause, and too many requests wait for its end.",
    headers: { "Retry-After": formatRetryAfter(pausedMs) },
  });
}
