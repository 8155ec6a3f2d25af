/** A process at its birth: what the request and its route's rules make of it. Pure. */
import type { Claim } from "../idempotency/verdict.ts";
import type { ProcessRecord } from "./record.ts";
import type { Rules } from "./rules.ts";
import type { Draft, StoredRequest } from "./store.ts";

export interface BeginRequest {
  readonly scope: string;
  readonly partition: number;
  readonly tenant: string;
  readonly service: string;
  readonly route: string;
  readonly operation: string;
  readonly rules: Rules;
  readonly claim: Claim;
  /** The request's own deadline (ms from the first dispatch); null: the route's. */
  readonly deadlineMs: number | null;
  readonly notify: string | null;
  readonly traceparent: string | null;
  readonly mirror: boolean;
  /** The service is paused for this long: wait before the first dispatch. */
  readonly pausedMs: number;
  /** Kept with the record where it may be sent again; null: not kept. */
  readonly request: StoredRequest | null;
}

/** Dispatched at once, or pending where a gate or a pause comes first. */
export function draftOf(
  request: BeginRequest,
  node: string,
  writeId: string,
  gated: boolean,
  replaces: ProcessRecord | null,
): Draft {
  const { policy, retries } = request.rules;
  const paused = request.pausedMs > 0;
  const waits = gated || paused;
  const deadline =
    request.deadlineMs === null
      ? policy.deadlineMs
      : Math.min(request.deadlineMs, policy.deadlineMs ?? Infinity);
  // What cannot be sent before its deadline is failed then, and not at the pause's end.
  const pausedMs = Math.min(request.pausedMs, (deadline ?? Infinity) + 1);
  const ownerWaits = pausedMs <= policy.leaseMs / 2;
  return {
    partition: request.partition,
    scope: request.scope,
    fields: {
      tenant: request.tenant,
      service: request.service,
      route: request.route,
      operation: request.operation.slice(0, 64),
      identity: policy.identity,
      fingerprint: request.claim.fingerprint,
      credential: request.claim.credential,
      status: waits ? "pending" : "in-progress",
      phase: waits ? null : "forwarding",
      owner: ownerWaits ? node : null,
      leaseMs: policy.leaseMs,
      attempt: waits ? 0 : 1,
      maxAttempts: retries.attempts,
      cancelRequested: false,
      released: false,
      expired: false,
      requestPayload: request.request === null ? null : writeId,
      rerunOf: replaces !== null && request.claim.force ? replaces.epoch : null,
      notify: request.notify,
      notifyAttempt: 0,
      mirror: request.mirror ? "pending" : null,
      traceparent: request.traceparent,
    },
    spans: {
      ...(waits ? {} : { startedAt: 0 }),
      ...(deadline === null ? {} : { deadlineAt: deadline }),
      ...(paused ? { nextAttemptAt: pausedMs } : {}),
      wakeAt: ownerWaits ? policy.leaseMs : pausedMs,
    },
    request: request.request,
    writeId,
    entry: { event: "created", operation: request.operation.slice(0, 64) },
  };
}

/** Nobody's, and due at once. */
export function byAlarm(draft: Draft): Draft {
  const { startedAt: _, ...spans } = draft.spans;
  return {
    ...draft,
    fields: { ...draft.fields, status: "pending", phase: null, owner: null, attempt: 0 },
    spans: { ...spans, wakeAt: 0 },
  };
}
