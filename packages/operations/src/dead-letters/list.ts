/** Lists dead letters: processes that ended in a way that somebody should look at. */
import type { Executed } from "@sticky-proxy/protocol";
import type { DeadLetterClass, Page, ProcessRecord } from "@sticky-proxy/core/process";
import type { Processes } from "@sticky-proxy/engine";
import { storeNow } from "../store-clock.ts";

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

function matches(record: ProcessRecord, filter: DeadLetterFilter, now: number): boolean {
  return (
    record.deadLetter !== null &&
    (filter.service === null || record.service === filter.service) &&
    (filter.class === null || record.deadLetter === filter.class) &&
    (filter.reason === null || record.reason === filter.reason || record.problem === filter.reason) &&
    (filter.executed === null || record.executed === filter.executed) &&
    (filter.olderThanMs === null || endOf(record) <= now - filter.olderThanMs)
  );
}

/** How many pages of the store one call reads at most, so that a rare match does not read everything at once. */
const maxPagesPerCall = 20;

/**
 * Dead letters that match the filter, newest first. A page may have fewer items than `limit`, even none, and still a
 * `next`. @throws StoreUnavailable
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
  for (let pages = 0; pages < maxPagesPerCall && items.length < limit; pages += 1) {
    // Never more than the page still has room for, so that the store's cursor is also ours.
    const page: Page<ProcessRecord> = await store.deadLetters({ limit: limit - items.length, cursor: next });
    items.push(...page.items.filter((record) => matches(record, filter, now)));
    next = page.next;
    if (next === null) break;
  }
  return { items, next };
}

/** When it became a dead letter, epoch ms. A notification fails after its process has ended: then its last change counts. */
export function endOf(record: ProcessRecord): number {
  return record.notifyState === "failed" ? record.updatedAt : (record.endedAt ?? record.updatedAt);
}
