/**
 * The life of a process: birth, transition, supersede. The only place that decides how a process moves. Pure; stores know
 * no states.
 *
 *     create ─► pending ──dispatched──► in-progress ─────────────────► completed
 *                  │                     forwarding ⇄ backing-off      failed
 *                  │                         │            ▲            cancelled
 *                  │                         ▼            │                │
 *                  │                     awaiting-callback┘                ▼ expired
 *                  └────────── cancel, deadline, orphan ──────────►    tombstone ─► purged
 *
 * pending            Created and not sent yet: a service's pause comes first, or a sweeper sends it.
 * forwarding         An attempt is with the service on the owner's connection (attempt.ts).
 * awaiting-callback  The service has acknowledged the attempt and reports later, or is polled (reports.ts).
 * backing-off        No attempt is out; the next one is due at nextAttemptAt (back-off.ts).
 * terminal           Completed, failed or cancelled: the result is replayed until expireAt (ending.ts, after-end.ts).
 * tombstone          The result is gone and the id still known, until keepUntil (retention.ts).
 *
 * P1  At most one execution is current: only dispatching mints a fence, and only from pending or backing-off.
 * P2  A node that lost its lease cannot decide: every change is committed against epoch and version.
 * P3  A terminal status never changes; after it only delivery, mirroring, expiry and purge happen.
 * P4  A change that ends ownership clears `owner`; only pending, forwarding and backing-off have one.
 * P5  attempt and fence rise with every dispatch and never fall.
 * P6  A process that is not gone has an alarm: `wakeAt` is never removed.
 * P7  A terminal process has endedAt, expireAt, keepUntil (unless a mirror is pending) and says `executed`.
 * P8  What never reached the service releases its identity.
 * P9  A result is committed once: resultPayload is set only by the change that ends the process.
 * P10 Only the current attempt may report; a report that counted already is a duplicate, another one after the end stale.
 */
import type { Scope } from "@sticky-proxy/protocol";
import type { Claim } from "../idempotency/verdict.ts";
import {
  accepted,
  attemptFailed,
  dispatched,
  leaseEnded,
  overdue,
  postponed,
  responded,
  withdrawn,
} from "./attempt.ts";
import { afterTheEnd } from "./after-end.ts";
import { finish } from "./ending.ts";
import { change, refuse, same, type Circumstances, type ProcessEvent, type Transition } from "./events.ts";
import { isOut, isTerminal, type ProcessRecord } from "./record.ts";
import { calledBack, heartbeat, reportedFailure } from "./reports.ts";
import { untilDeadline } from "./retention.ts";
import type { Rules } from "./rules.ts";
import type { Change, Draft, StoredRequest } from "./store.ts";

/** What `event` changes about `record`. The one entry: every other file of the state machine is reached through it. */
export function transition(record: ProcessRecord, event: ProcessEvent, c: Circumstances): Transition {
  const decided = decide(record, event, c);
  if (decided.kind !== "change" || !("instance" in event) || event.instance === undefined) return decided;
  const { change: made } = decided;
  const instance = event.instance.slice(0, 64);
  const where = { instance, ...(record.owner === null ? {} : { node: record.owner }) };
  return {
    kind: "change",
    change: { ...made, set: { ...made.set, instance }, entry: { ...made.entry, ...where } },
  };
}

function decide(record: ProcessRecord, event: ProcessEvent, c: Circumstances): Transition {
  if (isTerminal(record.status)) return afterTheEnd(record, event, c);
  switch (event.type) {
    case "dispatched":
      return dispatched(record, event.owner, c);
    case "responded":
      return isCurrent(record, event) ? responded(record, event, c) : refuse("execution-stale");
    case "accepted":
      return isCurrent(record, event) ? accepted(record, event, c) : refuse("execution-stale");
    case "failed":
      return isCurrent(record, event)
        ? attemptFailed(record, event, c, "upstream")
        : refuse("execution-stale");
    case "called-back":
      return calledBack(record, event, c);
    case "reported-failure":
      return reportedFailure(record, event, c);
    case "heartbeat":
      return heartbeat(record, event, c);
    case "still-running":
      if (record.phase !== "awaiting-callback") return same;
      return change({ event: "polled" }, {}, { wakeAt: Math.min(event.pollInMs, untilDeadline(record, c)) });
    case "postponed":
      return postponed(record, event, c);
    case "cancelled":
      return finish(record, c, {
        event: "cancelled",
        status: "cancelled",
        executed: isOut(record) ? "unknown" : (record.executed ?? "no"),
        problem: "process-cancelled",
        released: c.policy.identity !== "key" || c.policy.restartCancelled,
        cancelRequested: true,
      });
    case "withdrawn":
      return withdrawn(record, event, c);
    case "lease-ended":
      return leaseEnded(record, c);
    case "overdue":
      return overdue(record, c, event.reason);
    case "mirrored":
    case "notified":
    case "notify-again":
    case "expired":
    case "discarded":
      return refuse("process-running");
  }
}

/** P2, P10: an owner speaks for the attempt that it sent, and only while that attempt is out. */
function isCurrent(record: ProcessRecord, event: { readonly attempt: number }): boolean {
  return record.phase === "forwarding" && event.attempt === record.attempt;
}

/** What a submission brings to the birth of its process. */
export interface BeginRequest {
  readonly scope: Scope;
  readonly partition: number;
  /** As in ProcessRecord. */
  readonly principal: string | null;
  readonly service: string;
  readonly route: string;
  readonly operation: string;
  readonly rules: Rules;
  readonly claim: Claim;
  /** Whose budgets it uses up; "": nobody's. */
  readonly holder: string;
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

/**
 * A new process: dispatched at once, or pending where a pause comes first. Attempt and fence are minted with the claim, so
 * that a durability gate confirms them together.
 * @param node its owner, unless the pause is so long that the alarm waits in its place
 * @param replaces the record that moves aside for it; null: none
 */
export function birth(
  request: BeginRequest,
  node: string,
  writeId: string,
  replaces: ProcessRecord | null,
): Draft {
  const { policy, retries } = request.rules;
  const paused = request.pausedMs > 0;
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
      principal: request.principal,
      service: request.service,
      route: request.route,
      operation: request.operation.slice(0, 64),
      identity: policy.identity,
      rules: request.rules.digest ?? null,
      fingerprint: request.claim.fingerprint,
      credential: request.claim.credential,
      holder: request.holder.slice(0, 64),
      status: paused ? "pending" : "in-progress",
      phase: paused ? null : "forwarding",
      owner: ownerWaits ? node : null,
      leaseMs: policy.leaseMs,
      attempt: paused ? 0 : 1,
      node: paused ? null : node,
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
      ...(paused ? {} : { startedAt: 0 }),
      ...(deadline === null ? {} : { deadlineAt: deadline }),
      ...(paused ? { nextAttemptAt: pausedMs } : {}),
      wakeAt: ownerWaits ? policy.leaseMs : pausedMs,
    },
    request: request.request,
    writeId,
  };
}

/** The same process without an owner and due at once: a sweeper dispatches it. */
export function byAlarm(draft: Draft): Draft {
  const { startedAt: _, ...spans } = draft.spans;
  return {
    ...draft,
    fields: { ...draft.fields, status: "pending", phase: null, owner: null, node: null, attempt: 0 },
    spans: { ...spans, wakeAt: 0 },
  };
}

/** What the record that has to move aside becomes: a running one is cancelled, a finished one keeps its end (P3). */
export function supersede(record: ProcessRecord, c: Circumstances): Change {
  if (isTerminal(record.status)) {
    return {
      set: {},
      spans: {},
      mintFence: false,
      result: null,
      drop: [],
      entry: { event: "superseded" },
    };
  }
  const decided = transition(record, { type: "cancelled" }, c);
  if (decided.kind !== "change") throw new Error("a running process can always be cancelled");
  return { ...decided.change, entry: { event: "superseded" } };
}
