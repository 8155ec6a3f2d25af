/** Dead letters of the same kind together: one line per service, operation, reason and what is known of the execution. */
import type { Executed } from "@sticky-proxy/protocol";
import type { DeadLetterClass, Page, ProcessRecord } from "@sticky-proxy/core/process";
import type { Processes } from "@sticky-proxy/engine";
import { storeNow } from "../store-clock.ts";
import { endOf, listDeadLetters, type DeadLetterFilter } from "./list.ts";

export interface DeadLetterGroup {
  readonly service: string;
  readonly operation: string;
  readonly class: DeadLetterClass;
  readonly reason: string;
  readonly executed: Executed;
  readonly count: number;
  /** Of how many the request was kept, so that it can be sent again. */
  readonly kept: number;
  /** When the newest one ended, epoch ms. */
  readonly newestAt: number;
  /** How many ended in each of the last 30 minutes, oldest first. */
  readonly perMinute: readonly number[];
}

export interface DeadLetterGroups {
  readonly groups: readonly DeadLetterGroup[];
  readonly total: number;
  /** Only the newest were looked at: there are more. */
  readonly isCapped: boolean;
}

export const maxGrouped = 10_000;
const minutes = 30;

/** Looks at the newest {@link maxGrouped} that match. @throws StoreUnavailable */
export async function groupDeadLetters(
  processes: Pick<Processes, "store" | "read">,
  filter: DeadLetterFilter,
): Promise<DeadLetterGroups> {
  const now = await storeNow(processes);
  const records: ProcessRecord[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<ProcessRecord> = await listDeadLetters(processes, filter, { limit: 500, cursor });
    records.push(...page.items);
    cursor = page.next;
  } while (cursor !== null && records.length < maxGrouped);
  return { groups: grouped(records, now), total: records.length, isCapped: cursor !== null };
}

/** Most frequent first. */
export function grouped(records: readonly ProcessRecord[], now: number): readonly DeadLetterGroup[] {
  const byKind = Map.groupBy(records, (record) =>
    JSON.stringify([record.service, record.operation, record.deadLetter, reasonOf(record), record.executed]),
  );
  return [...byKind.values()].map((all) => groupOf(all, now)).sort((a, b) => b.count - a.count);
}

function groupOf(all: readonly ProcessRecord[], now: number): DeadLetterGroup {
  const [first] = all as [ProcessRecord];
  const perMinute = Array.from({ length: minutes }, () => 0);
  for (const record of all) {
    const ago = Math.floor((now - endOf(record)) / 60_000);
    if (ago >= 0 && ago < minutes) perMinute[minutes - 1 - ago]! += 1;
  }
  return {
    service: first.service,
    operation: first.operation,
    class: first.deadLetter!,
    reason: reasonOf(first),
    executed: first.executed ?? "unknown",
    count: all.length,
    kept: all.filter(({ requestPayload }) => requestPayload !== null).length,
    newestAt: Math.max(...all.map(endOf)),
    perMinute,
  };
}

/** The word that `DeadLetterFilter.reason` finds it by. */
function reasonOf({ reason, problem, httpStatus }: ProcessRecord): string {
  return reason ?? problem ?? (httpStatus === null ? "failed" : String(httpStatus));
}
