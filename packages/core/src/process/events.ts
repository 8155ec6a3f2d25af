/** The events of a process, the circumstances of a decision, and its closed outcome. */
import type { EpochMs, Executed, ProblemSlug } from "@sticky-proxy/protocol";
import type { StoredResponse } from "../http/message.ts";
import type { ProcessPolicy, RetryPolicy, UnknownKind } from "../registry/service.ts";
import type { Change, Spans, TimelineEntry } from "./store.ts";

export interface Result {
  /** Derived from the content, so that the same result reported twice has the same id. */
  readonly id: string;
  readonly response: StoredResponse;
}

/** What can happen to a process. `attempt` names the attempt that the event speaks of. */
export type ProcessEvent =
  /** The request is about to be sent by `owner`. */
  | { readonly type: "dispatched"; readonly owner: string }
  /** The service's complete answer is the result; `result` null: larger than the route keeps. */
  | {
      readonly type: "responded";
      readonly attempt: number;
      readonly status: number;
      readonly result: Result | null;
      readonly retryAfterMs: number | null;
      /** Where the attempt went; absent: nowhere, or it is not known. */
      readonly instance?: string;
      /** Only its own client may repeat the request. */
      readonly isClients?: true;
      /** Its body says that the service failed, whatever its status says. */
      readonly isFailure?: true;
    }
  /** The service took the work and will report back, or has to be polled at `pollUrl`. */
  | {
      readonly type: "accepted";
      readonly attempt: number;
      readonly status: number;
      readonly jobId: string | null;
      readonly pollUrl: string | null;
      readonly pollInMs: number | null;
      readonly instance?: string;
    }
  /** The attempt has no complete answer; `executed`: may the service have run it? */
  | {
      readonly type: "failed";
      readonly attempt: number;
      readonly executed: "no" | "unknown";
      readonly unknown: UnknownKind;
      readonly slug: ProblemSlug;
      readonly reason: string;
      readonly retryAfterMs: number | null;
      readonly instance?: string;
      /** The answer that leaves it unknown (a balancer's 504, say), for the clients; absent: there was none. */
      readonly answer?: { readonly status: number; readonly result: Result | null };
    }
  /** The service delivered the result by callback (or to a poll). */
  | {
      readonly type: "called-back";
      readonly attempt: number;
      readonly status: number;
      /** null: larger than the route keeps. */
      readonly result: Result | null;
      readonly message: string | null;
      /** Its body says that the service failed, whatever its status says. */
      readonly isFailure?: true;
    }
  /** The service reported by callback (or to a poll) that the attempt failed. */
  | {
      readonly type: "reported-failure";
      readonly attempt: number;
      readonly retryable: boolean;
      readonly executed: Executed;
      readonly reason: string;
      /** null: larger than the route keeps. */
      readonly result: Result | null;
      /** Names the message that brought it, so that its repeat is known whatever it says; null: it has no name. */
      readonly message: string | null;
    }
  /** The service is still at work; `extendMs`: how long it may be silent now, null: as configured. */
  | {
      readonly type: "heartbeat";
      readonly attempt: number;
      readonly percent: number | null;
      readonly message: string | null;
      readonly extendMs: number | null;
    }
  /** The poll found no result yet. */
  | { readonly type: "still-running"; readonly pollInMs: number }
  /** The service asked for a pause that is not over: nothing is sent before. `owner` waits itself; null: the alarm. */
  | { readonly type: "postponed"; readonly ms: number; readonly owner: string | null }
  | { readonly type: "cancelled" }
  /** The owner gives up what it never sent: the store could not confirm the attempt. */
  | { readonly type: "withdrawn"; readonly attempt: number }
  /** The owner has stopped renewing its lease. */
  | { readonly type: "lease-ended" }
  /** The deadline has passed, or the service was silent for too long. */
  | {
      readonly type: "overdue";
      /** Why nothing more is expected; absent: nobody spoke in time. */
      readonly reason?: string;
    }
  /** The result's time to live has passed. */
  | { readonly type: "expired" }
  /** A webhook delivery to the client ended; `retryInMs` null: it was the last attempt. */
  | { readonly type: "notified"; readonly delivered: boolean; readonly retryInMs: number | null }
  /** Tell the client's endpoint once more, from the start of its schedule. */
  | { readonly type: "notify-again" }
  /** The copy has been served by the secondary and compared. */
  | { readonly type: "mirrored" }
  /** An operator discarded the dead letter. */
  | { readonly type: "discarded" };

/** What a decision needs besides record and event. */
export interface Circumstances {
  /** The store's clock, epoch ms. */
  readonly now: EpochMs;
  readonly policy: ProcessPolicy;
  readonly retries: RetryPolicy;
  /** The service honours the key or the fence, so an unknown outcome may be sent again. */
  readonly honoursKey: boolean;
  /** In [0, 1), for jitter. */
  readonly random: number;
  /** How long dead letters stay to be redriven, whatever the result's TTL. */
  readonly deadLetterMs: number;
  /** A fail-over may have made the store forget what was written: an owner that is gone may have sent more than stands there. */
  readonly mayForget?: boolean;
}

export type Transition =
  | { readonly kind: "change"; readonly change: Change }
  /** Nothing to do: the record says so already. */
  | { readonly kind: "same" }
  | {
      readonly kind: "refuse";
      readonly slug: "process-terminal" | "process-running" | "execution-stale";
    };

export const same: Transition = { kind: "same" };
export function refuse(slug: Extract<Transition, { kind: "refuse" }>["slug"]): Transition {
  return { kind: "refuse", slug };
}

export function change(
  entry: TimelineEntry,
  set: Change["set"],
  spans: Spans,
  more: Partial<Pick<Change, "mintFence" | "result" | "drop">> = {},
): Transition {
  return {
    kind: "change",
    change: { set, spans, mintFence: false, result: null, drop: [], entry, ...more },
  };
}
