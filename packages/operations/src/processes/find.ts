/** Finds processes by what operators ask for: newest first over all services and statuses, bounded in what it reads. */
import type { Executed } from "@sticky-proxy/protocol";
import type { Page, ProcessRecord, ProcessStore, Status } from "@sticky-proxy/core/process";
import { statusesInOrder } from "./list.ts";

/** Both ends included; null: open. */
export interface Range {
  readonly from: number | null;
  readonly to: number | null;
}

/** null and empty: any. */
export interface ProcessFilter {
  readonly statuses: readonly Status[];
  readonly service: string | null;
  readonly route: string | null;
  /** Part of "POST /path", without regard to case. */
  readonly operation: string | null;
  readonly executed: Executed | null;
  /** The record's reason, its problem's slug, or its HTTP status. */
  readonly reason: string | null;
  readonly attempts: Range;
  /** From birth to end, or until now while it runs, ms. */
  readonly tookMs: Range;
  /** Epoch ms. */
  readonly created: Range;
}

export interface FoundProcesses extends Page<ProcessRecord> {
  /** How many records were looked at for this page. */
  readonly scanned: number;
}

/** One call looks at no more: what cannot be indexed is looked for bit by bit. */
export const maxScanned = 2000;

/** A page may have fewer items than `limit`, even none, and still a `next`. @throws StoreUnavailable */
export async function findProcesses(
  store: Pick<ProcessStore, "listNewest">,
  {
    filter,
    services,
    now,
    limit,
    cursor,
  }: {
    readonly filter: ProcessFilter;
    /** All that may be listed, where the filter names none. */
    readonly services: readonly string[];
    readonly now: number;
    readonly limit: number;
    readonly cursor: string | null;
  },
): Promise<FoundProcesses> {
  const query = {
    services: filter.service === null ? services : [filter.service],
    statuses: filter.statuses.length === 0 ? statusesInOrder : filter.statuses,
    createdFrom: filter.created.from,
    createdTo: filter.created.to,
  };
  const items: ProcessRecord[] = [];
  let scanned = 0;
  let next = cursor;
  do {
    // Never more than the page has room for, so that the store's cursor is also ours.
    const page: Page<ProcessRecord> = await store.listNewest({
      ...query,
      limit: limit - items.length,
      cursor: next,
    });
    scanned += page.items.length;
    items.push(...page.items.filter((record) => matches(record, filter, now)));
    next = page.next;
  } while (next !== null && items.length < limit && scanned < maxScanned);
  return { items, next, scanned };
}

/** Whether the lists of the store alone answer the filter, so that their counts are its total. */
export function isFoundByList(filter: ProcessFilter): boolean {
  const { route, operation, executed, reason, attempts, tookMs } = filter;
  return (
    route === null &&
    operation === null &&
    executed === null &&
    reason === null &&
    isOpen(attempts) &&
    isOpen(tookMs)
  );
}

function isOpen({ from, to }: Range): boolean {
  return from === null && to === null;
}

function matches(record: ProcessRecord, filter: ProcessFilter, now: number): boolean {
  const { route, operation, executed, reason, attempts, tookMs } = filter;
  return (
    (route === null || record.route === route) &&
    (operation === null || record.operation.toLowerCase().includes(operation.toLowerCase())) &&
    (executed === null || record.executed === executed) &&
    (reason === null || [record.reason, record.problem, String(record.httpStatus)].includes(reason)) &&
    isIn(record.attempt, attempts) &&
    isIn((record.endedAt ?? now) - record.createdAt, tookMs)
  );
}

function isIn(value: number, { from, to }: Range): boolean {
  return (from === null || value >= from) && (to === null || value <= to);
}
