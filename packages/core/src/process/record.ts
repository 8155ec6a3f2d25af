/**
 * The process record: one execution of a scope's request with its attempts and result.
 * It is flat, so that a store can keep one field per property; values stay short (64 bytes keeps a Redis
 * hash compact), bodies and heads live in payloads beside it.
 */
import {
  asEpochMs,
  asFence,
  asScope,
  type EpochMs,
  type Executed,
  type Fence,
  type ProblemSlug,
  type Scope,
} from "@sticky-proxy/protocol";
import type { Identity } from "../registry/service.ts";

export type Status = "pending" | "in-progress" | "completed" | "failed" | "cancelled";
export type Phase = "forwarding" | "awaiting-callback" | "backing-off";
export type DeadLetterClass = "upstream" | "callback" | "internal";

/** Names one process: `scope` within `partition`, born with fence `epoch`. */
export interface ProcessRef {
  readonly partition: number;
  readonly scope: Scope;
  readonly epoch: Fence;
}

/** All times are epoch milliseconds of the store's clock. null: does not apply (yet). */
export interface ProcessRecord extends ProcessRef {
  /** Rises when something visible changes; the ETag. */
  readonly version: number;
  /** Fence of the latest dispatch; equals epoch until a second one. */
  readonly fence: Fence;
  /** Id of the write that made this version, so that a write without an answer can be recognised. */
  readonly lastWrite: string;

  /** The subject that an authentication proved; null: none did. */
  readonly principal: string | null;
  readonly service: string;
  readonly route: string;
  /** "POST /reports", for people; cut at 64 bytes. */
  readonly operation: string;
  readonly identity: Identity;
  /** Digest of the rules that it began with; null: begun before rules were pinned. */
  readonly rules: string | null;
  /** Fingerprint of the request, compared under one key; "" for identity `none`. */
  readonly fingerprint: string;
  /** Digest of the principal: of the proved subject, else of the request's credential; "" for nobody. */
  readonly credential: string;
  /** Whose budgets it uses up: "address:…" or "principal:…"; "": nobody's. */
  readonly holder: string;

  readonly status: Status;
  /** Only while in progress. */
  readonly phase: Phase | null;
  /** The node that works on it; null: no node (P4). */
  readonly owner: string | null;
  readonly leaseMs: number;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly cancelRequested: boolean;
  /** The node that dispatched the current attempt; stays when the attempt has ended. */
  readonly node: string | null;
  /** The instance that the current attempt went to; null: not known yet, or none was chosen. */
  readonly instance: string | null;

  readonly createdAt: EpochMs;
  readonly startedAt: EpochMs | null;
  readonly updatedAt: EpochMs;
  readonly endedAt: EpochMs | null;
  /** When a finished process stops being replayed. */
  readonly expireAt: EpochMs | null;
  /** When the store may drop every key of it, sweeper or not. */
  readonly keepUntil: EpochMs | null;
  /** The next moment somebody must look at it; null: never. */
  readonly wakeAt: EpochMs | null;
  readonly deadlineAt: EpochMs | null;
  readonly heartbeatAt: EpochMs | null;
  readonly nextAttemptAt: EpochMs | null;

  /** Set when done (and after a failed attempt): did the service run it? */
  readonly executed: Executed | null;
  /** The service's own status code, when it gave one. */
  readonly httpStatus: number | null;
  /** Why it failed, or `result-too-large` on a completed one; also the last failed attempt's reason. */
  readonly problem: ProblemSlug | null;
  /** A short word on the last failure (RFC 9209 error type or the service's own title), for people. */
  readonly reason: string | null;
  /** The identity is free: the next identical request starts anew although this record is still here. */
  readonly released: boolean;
  /** Only a tombstone is left: its result has expired. */
  readonly expired: boolean;
  readonly deadLetter: DeadLetterClass | null;

  /** Random ids of the payloads beside the record; null: none kept. */
  readonly requestPayload: string | null;
  readonly resultPayload: string | null;

  readonly progressPercent: number | null;
  readonly progressMessage: string | null;
  /** What the service reported of the current attempt (a result's id), when the process went on after it. */
  readonly lastReport: string | null;
  /** The webhook-id of the last report that counted; null: it had none. */
  readonly lastMessage: string | null;
  /** Epochs of the neighbours in the same scope. */
  readonly rerunOf: Fence | null;
  /** The idempotency key of the call that asked for this re-run: its repeat finds the same process. null: no key. */
  readonly rerunKey: string | null;
  readonly supersededBy: Fence | null;

  /** Job id or absolute URL under which the service knows its own work; null: none. */
  readonly jobId: string | null;
  readonly pollUrl: string | null;
  /** Name of the client's registered webhook endpoint; null: none. */
  readonly notify: string | null;
  readonly notifyState: "pending" | "delivered" | "failed" | null;
  readonly notifyAttempt: number;
  /** Dual-write: `pending` until the secondary has been served and compared. */
  readonly mirror: "pending" | "done" | null;
  /** W3C trace context of the submitting request; null: none. */
  readonly traceparent: string | null;
}

/** How each field is written as text; the order is the order in which stores read it. */
export const recordFields = {
  epoch: "number",
  version: "number",
  fence: "number",
  lastWrite: "text",
  principal: "text",
  service: "text",
  route: "text",
  operation: "text",
  identity: "text",
  rules: "text",
  fingerprint: "text",
  credential: "text",
  holder: "text",
  status: "text",
  phase: "text",
  owner: "text",
  leaseMs: "number",
  attempt: "number",
  maxAttempts: "number",
  cancelRequested: "flag",
  node: "text",
  instance: "text",
  createdAt: "number",
  startedAt: "number",
  updatedAt: "number",
  endedAt: "number",
  expireAt: "number",
  keepUntil: "number",
  wakeAt: "number",
  deadlineAt: "number",
  heartbeatAt: "number",
  nextAttemptAt: "number",
  executed: "text",
  httpStatus: "number",
  problem: "text",
  reason: "text",
  released: "flag",
  expired: "flag",
  deadLetter: "text",
  requestPayload: "text",
  resultPayload: "text",
  progressPercent: "number",
  progressMessage: "text",
  lastReport: "text",
  lastMessage: "text",
  rerunOf: "number",
  rerunKey: "text",
  supersededBy: "number",
  jobId: "text",
  pollUrl: "text",
  notify: "text",
  notifyState: "text",
  notifyAttempt: "number",
  mirror: "text",
  traceparent: "text",
} as const satisfies Record<Exclude<keyof ProcessRecord, "partition" | "scope">, "text" | "number" | "flag">;

export type RecordField = keyof typeof recordFields;

/** Fields that only the store assigns. */
export type AssignedField = "epoch" | "version" | "lastWrite" | "createdAt" | "updatedAt";

/** Time fields that a change gives as a span from the store's own clock at the moment of the write. */
export type SpanField =
  | "startedAt"
  | "endedAt"
  | "expireAt"
  | "keepUntil"
  | "wakeAt"
  | "deadlineAt"
  | "heartbeatAt"
  | "nextAttemptAt";

export function isTerminal(status: Status): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** An attempt is with the service. Before the first, and between two, it is known what has run. */
export function isOut({ phase }: ProcessRecord): boolean {
  return phase === "forwarding" || phase === "awaiting-callback";
}

/** The panel's list a record stands in, or null when it stands in none (a tombstone). */
export function listOf(record: Pick<ProcessRecord, "service" | "status" | "expired">): string | null {
  return record.expired ? null : `${record.service}:${record.status}`;
}

/** The record with every field at its empty value. */
export const blankRecord: ProcessRecord = {
  partition: 0,
  scope: asScope(""),
  epoch: asFence(0),
  version: 0,
  fence: asFence(0),
  lastWrite: "",
  principal: null,
  service: "",
  route: "",
  operation: "",
  identity: "request",
  rules: null,
  fingerprint: "",
  credential: "",
  holder: "",
  status: "pending",
  phase: null,
  owner: null,
  leaseMs: 0,
  attempt: 0,
  maxAttempts: 1,
  cancelRequested: false,
  node: null,
  instance: null,
  createdAt: asEpochMs(0),
  startedAt: null,
  updatedAt: asEpochMs(0),
  endedAt: null,
  expireAt: null,
  keepUntil: null,
  wakeAt: null,
  deadlineAt: null,
  heartbeatAt: null,
  nextAttemptAt: null,
  executed: null,
  httpStatus: null,
  problem: null,
  reason: null,
  released: false,
  expired: false,
  deadLetter: null,
  requestPayload: null,
  resultPayload: null,
  progressPercent: null,
  progressMessage: null,
  lastReport: null,
  lastMessage: null,
  rerunOf: null,
  rerunKey: null,
  supersededBy: null,
  jobId: null,
  pollUrl: null,
  notify: null,
  notifyState: null,
  notifyAttempt: 0,
  mirror: null,
  traceparent: null,
};
