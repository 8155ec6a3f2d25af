/** Redrives all dead letters that match a filter, in two steps: a plan that changes nothing, and its start (D4). */
import { processId, type Page, type ProcessRecord, type ProcessRef } from "@sticky-proxy/core/process";
import type { Processes } from "@sticky-proxy/engine";
import { storeNow } from "../store-clock.ts";
import { endOf, listDeadLetters, type DeadLetterFilter } from "./list.ts";
import { redriveDeadLetter, redriveOf, type Redriven } from "./redrive.ts";

/** A bulk redrive that was planned and not started. Plain data: it can be sent to a client and read back. */
export interface RedrivePlan {
  readonly filter: DeadLetterFilter;
  /** D4: the store's clock when it was made, epoch ms. */
  readonly plannedAt: number;
  /** It cannot be started afterwards, epoch ms. */
  readonly validUntil: number;
  readonly count: number;
  /** The count stopped at the cap: there are more. */
  readonly isCapped: boolean;
  /** How many of them a redrive would run again, notify, or leave. */
  readonly outlook: Readonly<Record<ReturnType<typeof redriveOf>, number>>;
  /** Ids of the newest. */
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
  /** false: the signal or the cap ended it; starting the plan again continues. */
  readonly isComplete: boolean;
}

/**
 * Redrives what the plan shows, newest first, one after the other; `onItem` reports each when it is done.
 * @returns null: the plan is stale, make a new one
 * @throws StoreUnavailable; what was done stays done, and starting the plan again continues
 */
export async function startRedrive(
  processes: Pick<Processes, "store" | "read" | "apply" | "rerun">,
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
      const result = await redriveDeadLetter(processes, record);
      done += 1;
      counts[result.kind] = (counts[result.kind] ?? 0) + 1;
      onItem({ ref: record, result });
    }
    cursor = page.next;
  } while (cursor !== null);
  return { counts, isComplete: true };
}
