/**
 * Bulk jobs: an act on all that match a filter. Planned first (nothing changes), started with the count that was seen,
 * then done one by one by whichever admin service leads. What is done stands, also when the job is cancelled.
 */
import type { Executed } from "@sticky-proxy/protocol";
import type { DeadLetterClass } from "../process/record.ts";

/** Of dead letters: run again or notify again; take the mark off. Of running processes: cancel. */
export const bulkActions = ["redrive", "discard", "cancel"] as const;
export type BulkAction = (typeof bulkActions)[number];

/** null: any. */
export interface BulkFilter {
  readonly service: string | null;
  /** Dead letters only. */
  readonly class: DeadLetterClass | null;
  readonly reason: string | null;
  readonly executed: Executed | null;
  /** Ended (dead letters) or created (running processes) at least so long ago. */
  readonly olderThanMs: number | null;
}

/** What the dry run found. Frozen: the job touches nothing that came later (D4). */
export interface BulkPlan {
  /** Epoch ms of the store's clock. */
  readonly plannedAt: number;
  readonly count: number;
  /** There are more; the job does as many as it counted. */
  readonly isCapped: boolean;
  /** What would happen to how many, by word. */
  readonly outlook: Readonly<Record<string, number>>;
  /** Ids of the newest. */
  readonly sample: readonly string[];
}

export interface BulkJob {
  readonly id: string;
  readonly action: BulkAction;
  readonly filter: BulkFilter;
  readonly actor: string;
  readonly createdAt: number;
  /** null: the plan is being made. */
  readonly plan: BulkPlan | null;
  readonly start: { readonly reason: string; readonly ratePerSecond: number; readonly at: number } | null;
  readonly isCancelRequested: boolean;
  /** How it ended; null: it has not. `error` says why it failed. */
  readonly end: {
    readonly state: "completed" | "cancelled" | "failed";
    readonly at: number;
    readonly error: string | null;
  } | null;
  readonly done: number;
  /** Results by word. */
  readonly counts: Readonly<Record<string, number>>;
}

export type BulkState =
  | "planning"
  | "planned"
  | "running"
  | "cancelling"
  | "cancelled"
  | "completed"
  | "failed";

export const planValidMs = 10 * 60_000;
/** A plan that took longer than this died with its planner. */
export const planningMs = 60_000;
export const bulkKeptMs = 7 * 86_400_000;

export function bulkState({ plan, start, isCancelRequested, end }: BulkJob): BulkState {
  if (end !== null) return end.state;
  if (start !== null) return isCancelRequested ? "cancelling" : "running";
  return plan === null ? "planning" : "planned";
}

/** Why the job cannot be started; null: it can. */
export function startFault(
  job: BulkJob,
  count: number,
  now: number,
): "stale" | "started" | "planning" | "count" | null {
  if (job.plan === null) return "planning";
  if (bulkState(job) !== "planned") return "started";
  if (now - job.plan.plannedAt > planValidMs) return "stale";
  return job.plan.count === count ? null : "count";
}

export interface BulkItem {
  readonly id: string;
  readonly result: string;
}

/** Where jobs are kept, for a week. @throws StoreUnavailable */
export interface BulkJobs {
  create(job: Pick<BulkJob, "id" | "action" | "filter" | "actor" | "createdAt">): Promise<void>;
  /** null: unknown or forgotten. */
  get(id: string): Promise<BulkJob | null>;
  /** Newest first. */
  list(): Promise<readonly BulkJob[]>;
  planned(id: string, plan: BulkPlan): Promise<void>;
  /** false: it was started before. */
  start(id: string, start: NonNullable<BulkJob["start"]>): Promise<boolean>;
  requestCancel(id: string): Promise<void>;
  /** Counts one item and keeps what came of it, in one write. */
  addItem(id: string, item: BulkItem): Promise<void>;
  end(id: string, end: NonNullable<BulkJob["end"]>): Promise<void>;
  /** In the order in which they were done; `after` is a cursor. */
  items(
    id: string,
    query: { readonly limit: number; readonly after: string | null },
  ): Promise<{
    readonly items: readonly BulkItem[];
    readonly next: string | null;
  }>;
}
