/**
 * Dead letters: processes that ended in a way somebody should look at. What the command line and the admin API do
 * with them: list, show, redrive one, redrive all that match (plan, then start), discard.
 *
 * D1 A redrive never runs a process that ran again since: only the last process of a scope is redriven.
 * D2 The mark is taken off only after the new process exists. A crash in between leaves mark and successor, and the
 *    next redrive sees the successor and only takes the mark off.
 * D3 A completed process whose notification is dead is notified again, never run again.
 * D4 A bulk redrive touches only what was dead when it was planned.
 */
import { type Executed, asScope, type Fence } from "@sticky-proxy/protocol";
import type { Processes } from "./processes.ts";
import {
  isTerminal,
  type DeadLetterClass,
  type ProcessRecord,
  type ProcessRef,
  type Page,
  type ProcessStore,
  type Snapshot,
  type StoredRequest,
  type TimelineEntry,
  processId,
} from "@sticky-proxy/core/process";

/** null: any. */
export interface DeadLetterFilter {
  readonly service: string | null;
  readonly class: DeadLetterClass | null;
  /** The record's `reason`, or its problem's slug. */
  readonly reason: string | null;
  readonly executed: Executed | null;
  /** Only what ended at least this long ago. */
  readonly olderThanMs: number | null;
}

export const anyDeadLetter: DeadLetterFilter = {
  service: null,
  class: null,
  reason: null,
  executed: null,
  olderThanMs: null,
};

export function matchesDeadLetter(record: ProcessRecord, filter: DeadLetterFilter, now: number): boolean {
  return (
    record.deadLetter !== null &&
    (filter.service === null || record.service === filter.service) &&
    (filter.class === null || record.deadLetter === filter.class) &&
    (filter.reason === null || record.reason === filter.reason || record.problem === filter.reason) &&
    (filter.executed === null || record.executed === filter.executed) &&
    (filter.olderThanMs === null || endOf(record) <= now - filter.olderThanMs)
  );
}

/** One look at the store reads at most this many records that match nothing. */
const maxPagesPerLook = 20;

/**
 * Newest first. A page may have fewer items than `limit`, even none, and still a `next`: a rare match is not searched
 * for in everything at once. @throws StoreUnavailable
 */
export async function listDeadLetters(
  processes: Pick<Processes, "store" | "read">,
  filter: DeadLetterFilter,
  { limit, cursor }: { readonly limit: number; readonly cursor: string | null },
): Promise<Page<ProcessRecord>> {
  const { store } = processes;
  const now = filter.olderThanMs === null ? 0 : await storeNow(processes);
  const items: ProcessRecord[] = [];
  let next = cursor;
  for (let looks = 0; looks < maxPagesPerLook && items.length < limit; looks += 1) {
    // Never more than what is still wanted, so that the store's cursor is also ours.
    const page: Page<ProcessRecord> = await store.deadLetters({ limit: limit - items.length, cursor: next });
    items.push(...page.items.filter((record) => matchesDeadLetter(record, filter, now)));
    next = page.next;
    if (next === null) break;
  }
  return { items, next };
}

export interface DeadLetter {
  readonly record: ProcessRecord;
  /** null: not kept, so it cannot be run again. */
  readonly request: StoredRequest | null;
  readonly timeline: readonly (TimelineEntry & { readonly at: string })[];
}

/** null: there is no such process, or it is no dead letter. @throws StoreUnavailable */
export async function showDeadLetter(
  { store }: { readonly store: Pick<ProcessStore, "read" | "readRequest" | "timeline"> },
  ref: ProcessRef,
): Promise<DeadLetter | null> {
  const { record } = await store.read(ref, { withResult: false });
  if (record === null || record.deadLetter === null) return null;
  const [request, timeline] = await Promise.all([
    store.readRequest(record, { mayLackCredentials: true }),
    store.timeline(ref),
  ]);
  return { record, request, timeline };
}

export type Redriven =
  /** The new process; a sweeper sends it. */
  | { readonly kind: "rerun"; readonly record: ProcessRecord }
  /** Run again by a forced request, or by a redrive that did not get to take the mark off; now it is off. */
  | { readonly kind: "already-rerun"; readonly successor: ProcessRef }
  /** Its endpoint is told again. */
  | { readonly kind: "notified-again"; readonly record: ProcessRecord }
  /** The client, or somebody else, has run the scope again since: see there, or discard this one. */
  | { readonly kind: "superseded"; readonly successor: ProcessRef }
  | { readonly kind: "running" }
  | { readonly kind: "no-request" }
  | { readonly kind: "not-dead" }
  | { readonly kind: "not-found" };

/** What a redrive would do with this record as it stands; `not-found` and `running` show only in the doing. */
export function redriveOf(
  record: ProcessRecord,
): "rerun" | "already-rerun-or-superseded" | "notify" | "no-request" | "not-dead" {
  if (record.deadLetter === null || !isTerminal(record.status)) return "not-dead";
  if (record.status !== "failed" && record.notifyState === "failed") return "notify"; // D3
  if (record.supersededBy !== null) return "already-rerun-or-superseded"; // D1
  return record.requestPayload === null ? "no-request" : "rerun";
}

/** @throws StoreUnavailable; what was done stands, and doing it again is safe (D2) */
export async function redrive(processes: Processes, ref: ProcessRef): Promise<Redriven> {
  const { record }: Snapshot = await processes.read(ref, { withResult: false });
  if (record === null) return { kind: "not-found" };
  switch (redriveOf(record)) {
    case "not-dead":
      return { kind: "not-dead" };
    case "no-request":
      return { kind: "no-request" };
    case "notify": {
      const applied = await processes.apply(record, { type: "notify-again" });
      if (applied.kind === "gone") return { kind: "not-found" };
      return { kind: "notified-again", record: applied.record };
    }
    case "already-rerun-or-superseded":
      return successorOf(processes, record, record.supersededBy!);
    case "rerun": {
      const begun = await processes.rerun(record, {
        cancelRunning: false,
        dispatch: "by-alarm",
        onlyIfLast: true, // D1
      });
      switch (begun.verdict) {
        case "no-request":
          return { kind: "no-request" };
        case "running":
          return { kind: "running" };
        case "superseded":
        case "repeat":
          return successorOf(processes, record, begun.record.epoch);
        case "start":
          await processes.apply(record, { type: "discarded" }); // D2
          return { kind: "rerun", record: begun.record };
      }
    }
  }
}

async function successorOf(processes: Processes, record: ProcessRecord, epoch: Fence): Promise<Redriven> {
  const { partition, scope } = record;
  const successor: ProcessRef = { partition, scope, epoch };
  const { record: next } = await processes.read(successor, { withResult: false });
  if (next === null || next.rerunOf !== record.epoch) return { kind: "superseded", successor };
  await processes.apply(record, { type: "discarded" }); // D2
  return { kind: "already-rerun", successor };
}

/** Takes the mark off; the process itself stays until its result's end. @throws StoreUnavailable */
export async function discard(
  processes: Processes,
  ref: ProcessRef,
): Promise<"discarded" | "not-dead" | "not-found"> {
  const { record } = await processes.read(ref, { withResult: false });
  if (record === null) return "not-found";
  if (record.deadLetter === null) return "not-dead";
  const applied = await processes.apply(record, { type: "discarded" });
  if (applied.kind === "gone") return "not-found";
  return applied.kind === "applied" ? "discarded" : "not-dead";
}

/** A bulk redrive as it was shown before it is started. Plain data: it can be sealed, sent and read back. */
export interface RedrivePlan {
  readonly filter: DeadLetterFilter;
  /** D4: the store's clock when it was made, epoch ms. */
  readonly plannedAt: number;
  /** Not to be started afterwards. */
  readonly validUntil: number;
  readonly count: number;
  /** The count stopped at the cap: there are more. */
  readonly isCapped: boolean;
  /** How many of them would be run again, notified, or cannot be redriven. */
  readonly outlook: Readonly<Record<ReturnType<typeof redriveOf>, number>>;
  /** Ids of the newest ones. */
  readonly sample: readonly string[];
}

export const planValidMs = 10 * 60_000;
export const maxPerRedrive = 10_000;
const sampleSize = 10;
const pageSize = 100;

/** The dry run: reads, changes nothing. @throws StoreUnavailable */
export async function planRedrive(
  processes: Pick<Processes, "store" | "read">,
  filter: DeadLetterFilter,
): Promise<RedrivePlan> {
  const outlook = {
    rerun: 0,
    "already-rerun-or-superseded": 0,
    notify: 0,
    "no-request": 0,
    "not-dead": 0,
  };
  const sample: string[] = [];
  let count = 0;
  let isCapped = false;
  const plannedAt = await storeNow(processes);
  let cursor: string | null = null;
  do {
    const page: Page<ProcessRecord> = await listDeadLetters(processes, filter, { limit: pageSize, cursor });
    for (const record of page.items) {
      if (count >= maxPerRedrive) {
        isCapped = true;
        break;
      }
      count += 1;
      outlook[redriveOf(record)] += 1;
      if (sample.length < sampleSize) sample.push(processId(record));
    }
    cursor = page.next;
  } while (cursor !== null && !isCapped);
  return { filter, plannedAt, validUntil: plannedAt + planValidMs, count, isCapped, outlook, sample };
}

export interface RedriveItem {
  readonly ref: ProcessRef;
  readonly result: Redriven;
}

export interface RedriveReport {
  readonly counts: Readonly<Partial<Record<Redriven["kind"], number>>>;
  /** The signal ended it, or the cap; starting the plan again goes on. */
  readonly isComplete: boolean;
}

/**
 * Does what the plan shows, newest first, one after the other; each item is told as it is done.
 * @returns null: the plan is stale, make a new one
 * @throws StoreUnavailable; what was done stands, and starting the plan again goes on
 */
export async function startRedrive(
  processes: Processes,
  plan: RedrivePlan,
  { signal, onItem }: { readonly signal: AbortSignal; readonly onItem: (item: RedriveItem) => void },
): Promise<RedriveReport | null> {
  if ((await storeNow(processes)) > plan.validUntil) return null;
  const counts: Partial<Record<Redriven["kind"], number>> = {};
  let done = 0;
  let cursor: string | null = null;
  do {
    const page: Page<ProcessRecord> = await listDeadLetters(processes, plan.filter, {
      limit: pageSize,
      cursor,
    });
    for (const record of page.items) {
      if (endOf(record) > plan.plannedAt) continue; // D4
      if (signal.aborted || done >= maxPerRedrive) return { counts, isComplete: false };
      const result = await redrive(processes, record);
      done += 1;
      counts[result.kind] = (counts[result.kind] ?? 0) + 1;
      onItem({ ref: record, result });
    }
    cursor = page.next;
  } while (cursor !== null);
  return { counts, isComplete: true };
}

/** Every read brings the store's clock, this one nothing else. */
async function storeNow(processes: Pick<Processes, "read">): Promise<number> {
  return (await processes.read({ partition: 0, scope: asScope("none"), epoch: null }, { withResult: false }))
    .now;
}

/** A notification dies later than its process ends: then the last change counts. */
function endOf(record: ProcessRecord): number {
  return record.notifyState === "failed" ? record.updatedAt : (record.endedAt ?? record.updatedAt);
}
