/**
 * The port of the process store. The store does not interpret states. Its operations are atomic: create when absent, commit when
 * epoch and version match, supersede, renew leases, claim due alarms, purge.
 *
 * Every time in a write is a span (ms) added to the store's own clock at the moment of the write, so no node's
 * clock enters a record. `wakeAt` null removes the alarm.
 *
 * Payloads are stored beside the record under one key per scope, each with the random id that the record names:
 * a reader with an older record finds another id and reads again; it never gets a newer body.
 */
import { CodedError, type EpochMs, type Executed, type Fence, type Scope } from "@sticky-proxy/protocol";
import type { RequestHead, StoredResponse } from "../http/message.ts";
import type { AssignedField, ProcessRecord, ProcessRef, RecordField, SpanField } from "./record.ts";

/** What was given as a page's cursor did not come from the page before: it is refused, not read as the first page. */
export class InvalidCursor extends CodedError {
  override readonly name = "InvalidCursor";
  override readonly code = "INVALID_CURSOR";

  constructor() {
    super("the cursor cannot be read");
  }
}

/** The store did not answer, or refused (read-only, out of memory). Nothing may be dispatched. */
export class StoreUnavailable extends CodedError {
  override readonly name = "StoreUnavailable";
  override readonly code = "STORE_UNAVAILABLE";
  /** The failed write may have created its process, which exists until it is released or its lease ends. */
  mayHaveStarted = false;
  /** What was written and cannot be confirmed is not withdrawn for sure either: whether it will be sent is unknown. */
  isUnsettled = false;
}

/** The record does not stand as it was given, be it that another server answers now: read again, decide again. */
export class RecordDiffers extends StoreUnavailable {}

/** The store has room, but not for more of this holder. Nothing was written. */
export class HolderOverBudget extends CodedError {
  override readonly name = "HolderOverBudget";
  override readonly code = "HOLDER_OVER_BUDGET";
  /** What one holder may store. */
  readonly quota: number;
  readonly unit: "bytes" | "processes";

  constructor(message: string, quota: number, unit: "bytes" | "processes") {
    super(message);
    this.quota = quota;
    this.unit = unit;
  }
}

export type Spans = Readonly<Partial<Record<SpanField, number | null>>>;

/** The request, stored to be sent again or mirrored. */
export interface StoredRequest {
  readonly head: RequestHead;
  /** The client's Idempotency-Key, forwarded to the service; null: none. */
  readonly key: string | null;
  readonly body: Uint8Array;
  /** Kept for the mirror's copy alone (R17): without credentials, so it cannot be sent to its service (again). */
  readonly lacksCredentials?: true;
}

/** A line of the timeline: closed event word and short values. */
export interface TimelineEntry {
  readonly event: string;
  readonly [field: string]: string;
}

/** A new process before the store has assigned epoch, fence, version and times. */
export interface Draft {
  readonly partition: number;
  readonly scope: Scope;
  readonly fields: Readonly<
    Partial<Pick<ProcessRecord, Exclude<RecordField, AssignedField | SpanField | "fence">>>
  >;
  readonly spans: Spans;
  readonly request: StoredRequest | null;
  /** Unique for this write; kept as `lastWrite`. */
  readonly writeId: string;
}

/** What a commit changes; null removes a field. */
export interface Change {
  readonly set: Readonly<
    Partial<Pick<ProcessRecord, Exclude<RecordField, AssignedField | SpanField | "fence">>>
  >;
  readonly spans: Spans;
  /** Mint the next fence for a dispatch. */
  readonly mintFence: boolean;
  /** Stored under the new id that `set.resultPayload` names. */
  readonly result: StoredResponse | null;
  /** Payloads to delete. */
  readonly drop: readonly ("request" | "result")[];
  readonly entry: TimelineEntry;
}

export interface Snapshot {
  /** The store's clock, epoch ms. */
  readonly now: EpochMs;
  readonly record: ProcessRecord | null;
  /** The stored result, when it was requested and the record names one. */
  readonly result: StoredResponse | null;
}

export type CreateAnswer =
  | { readonly kind: "created"; readonly now: EpochMs; readonly record: ProcessRecord }
  /** The scope already has a record; its result is included, so that a replay costs one round trip. */
  | ({ readonly kind: "exists"; readonly record: ProcessRecord } & Snapshot)
  /** The write arrived after its time limit and had no effect. */
  | { readonly kind: "late"; readonly now: EpochMs };

export type CommitAnswer =
  | { readonly kind: "committed"; readonly now: EpochMs; readonly record: ProcessRecord }
  /** Epoch or version has changed; record: the current one, null when it was removed. */
  | { readonly kind: "stale"; readonly now: EpochMs; readonly record: ProcessRecord | null }
  /** "Only if due" was requested, and the alarm has moved. */
  | { readonly kind: "not-due"; readonly now: EpochMs; readonly record: ProcessRecord };

export interface Lease {
  /** For metrics and logs. */
  readonly service: string;
  readonly partition: number;
  readonly scope: Scope;
  readonly epoch: Fence;
  readonly owner: string;
  readonly leaseMs: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Opaque; null: last page. Stays valid while processes are created and end. */
  readonly next: string | null;
}

export interface ListQuery {
  readonly service: string;
  readonly status: ProcessRecord["status"];
  /** Only older than this many ms; null: all. */
  readonly olderThanMs: number | null;
  readonly limit: number;
  readonly cursor: string | null;
}

/** Processes of several services and statuses, newest first over all of them. */
export interface NewestQuery {
  readonly services: readonly string[];
  readonly statuses: readonly ProcessRecord["status"][];
  /** Created at or after, epoch ms; null: no bound. */
  readonly createdFrom: number | null;
  /** Created at or before, epoch ms; null: no bound. */
  readonly createdTo: number | null;
  readonly limit: number;
  readonly cursor: string | null;
}

/** One dispatch of a process. */
export interface AttemptRef extends ProcessRef {
  readonly attempt: number;
}

export interface ProcessStore {
  readonly partitions: number;

  /**
   * Creates the scope's process unless it has a record (expired, released or not: deciding that is the caller's).
   * epoch = fence = a freshly minted fence; version 1.
   * @throws StoreUnavailable; the write may still arrive later, is then refused by its own time limit or released
   * as never sent by the store as soon as it answers again. HolderOverBudget where the scope has no record.
   */
  create(draft: Draft, options: { readonly withResult: boolean }): Promise<CreateAnswer>;

  /** Reads the scope's current record, or with an epoch that process wherever it stands (superseded ones too). */
  read(
    ref: { readonly partition: number; readonly scope: Scope; readonly epoch: Fence | null },
    options: { readonly withResult: boolean },
  ): Promise<Snapshot>;

  /** null: not kept, or kept without credentials and the caller does not accept that (`mayLackCredentials`). */
  readRequest(
    record: ProcessRecord,
    options?: { readonly mayLackCredentials: boolean },
  ): Promise<StoredRequest | null>;

  /**
   * Writes `change` to the process (a superseded one too) if it still has base's epoch and version and, with `ifDue`, its
   * alarm has rung by the store's clock. version + 1; wakes waiters. A write without an answer is read again once and
   * recognised by `writeId`.
   */
  commit(
    base: ProcessRecord,
    change: Change,
    options: { readonly ifDue: boolean; readonly writeId: string },
  ): Promise<CommitAnswer>;

  /**
   * Moves the scope's current record aside (readable under its own id until its retention ends, `closing` applied and
   * `supersededBy` set) and creates the next process, if base's epoch and version still stand.
   * @throws StoreUnavailable, HolderOverBudget
   */
  supersede(base: ProcessRecord, closing: Change, draft: Draft): Promise<CommitAnswer>;

  /** Moves the ends of the leases that their owners still hold; returns the lost ones. Wakes nobody. */
  renew(leases: readonly Lease[]): Promise<readonly Lease[]>;

  /** Hands out processes whose alarm has rung and hides each alarm until now + hideMs; it rings again by itself. */
  claimDue(options: {
    readonly limit: number;
    readonly hideMs: number;
  }): Promise<{ readonly now: EpochMs; readonly due: readonly ProcessRecord[] }>;

  /**
   * Lets the alarm of a claimed process ring in `inMs`, sooner than it was hidden for, if the process is as it was claimed
   * and still due: its claimer cannot do what is due.
   */
  ringAgain(base: ProcessRecord, inMs: number): Promise<void>;

  /** Removes every key of the process if base's epoch and version still stand. true: it is gone. */
  purge(base: ProcessRecord): Promise<boolean>;

  /**
   * Adds a line to the process's timeline without changing the process; nothing, where it is gone. The same as the last line
   * is counted there, so that repeats push nothing out.
   */
  note(ref: ProcessRef, entry: TimelineEntry): Promise<void>;
  /** What happened to it, oldest first: what its record tells, and its lines (`wholeTimeline`). They end with the record. */
  timeline(ref: ProcessRef): Promise<readonly (TimelineEntry & { readonly at: string })[]>;

  list(query: ListQuery): Promise<Page<ProcessRecord>>;
  /** One order over all lists that are asked for; a process that moves between them meanwhile is neither missed nor twice in it. */
  listNewest(query: NewestQuery): Promise<Page<ProcessRecord>>;
  deadLetters(query: {
    readonly limit: number;
    readonly cursor: string | null;
  }): Promise<Page<ProcessRecord>>;
  count(service: string): Promise<Readonly<Record<ProcessRecord["status"], number>>>;

  /** When the oldest of these was created, epoch ms, as exactly as epochs tell it; null: there is none. */
  oldestAt(service: string, status: ProcessRecord["status"]): Promise<EpochMs | null>;

  /**
   * Keeps a report of a job that no process is known for, for keepMs; the last one of a job counts.
   * @returns false: as many reports of the service are kept as may be, or this one is too large
   */
  keepEarly(service: string, jobId: string, report: EarlyReport, keepMs: number): Promise<boolean>;
  /** Hands the kept report out, to one caller only; null: there is none. */
  takeEarly(service: string, jobId: string): Promise<EarlyReport | null>;
  /** Which attempts a service's own job id stands for, for callbacks that carry no process id. */
  jobHolders(service: string, jobId: string): Promise<readonly AttemptRef[]>;
  /** Makes them `holders` if they still are `held` (empty: nobody). false: somebody else has changed them. */
  holdJob(
    service: string,
    jobId: string,
    holders: readonly AttemptRef[],
    held: readonly AttemptRef[],
    keepMs: number,
  ): Promise<boolean>;
  /**
   * Binds a message's id to its one use, for `keepMs`.
   * first: it was unknown; again: it was bound to this use; otherwise: it is bound to another one
   */
  useMessage(
    service: string,
    messageId: string,
    use: string,
    keepMs: number,
  ): Promise<"first" | "again" | "otherwise">;

  /** Remembers a process under a name of the gateway's own; a later one takes its place. */
  remember(name: string, ref: ProcessRef, keepMs: number): Promise<void>;
  remembered(name: string): Promise<ProcessRef | null>;
}

/** An event `called-back` or `reported-failure` before it is known which attempt it is about. */
export type EarlyReport = {
  /** null: larger than the route keeps. */
  readonly result: { readonly id: string; readonly response: StoredResponse } | null;
  readonly message: string | null;
} & (
  | { readonly type: "called-back"; readonly status: number; readonly isFailure?: true }
  | {
      readonly type: "reported-failure";
      readonly retryable: boolean;
      readonly executed: Executed;
      readonly reason: string;
    }
);

/** How many early reports of a service are kept at once, and how large one may be, bytes of its response. */
export const maxEarlyReports = 1000;
export const maxEarlyBytes = 262_144;

/** Notifies of changes to a scope's process on any replica. Delivery is at most once: waiters also re-check by time. */
export interface Changes {
  watch(
    scope: { readonly partition: number; readonly scope: Scope },
    onChange: () => void,
  ): { close(): void };
}

/** Descriptions of rules (`pinned.ts`), where all replicas find them. A text is kept for `keepMs` after its last use. */
export interface PinStore {
  /** @throws StoreUnavailable */
  keep(pins: readonly PinText[]): Promise<void>;
  /** null: it is not kept (any more). @throws StoreUnavailable */
  read(digest: string): Promise<string | null>;
  /** Texts of every description of the service that is kept. @throws StoreUnavailable */
  ofService(service: string): Promise<readonly string[]>;
}

export interface PinText {
  readonly digest: string;
  readonly text: string;
  readonly service: string;
  readonly keepMs: number;
}
