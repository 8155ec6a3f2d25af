/** Plans a bulk job, and does one: item after item, at a rate, until it is done, cancelled, or its leader ends. */
import type { BulkItem, BulkJob, BulkPlan } from "@sticky-proxy/core/operators";
import { processId } from "@sticky-proxy/core/process";
import { storeNow } from "../store-clock.ts";
import { bulkTarget, type BulkPorts } from "./bulk-targets.ts";

export const maxPerJob = 10_000;
const sampleSize = 10;
const pageSize = 200;

/** The dry run: reads, changes nothing. @throws StoreUnavailable */
export async function planBulk(
  ports: BulkPorts,
  { action, filter }: Pick<BulkJob, "action" | "filter">,
): Promise<BulkPlan> {
  const target = bulkTarget(ports, action, filter);
  const plannedAt = await storeNow(ports.processes);
  const outlook: Record<string, number> = {};
  const sample: string[] = [];
  let count = 0;
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof target.page>> = await target.page(cursor, pageSize, plannedAt);
    for (const record of page.items) {
      if (target.since(record) > plannedAt) continue;
      if (count === maxPerJob) return { plannedAt, count, isCapped: true, outlook, sample };
      const word = target.outlook(record);
      outlook[word] = (outlook[word] ?? 0) + 1;
      count += 1;
      if (sample.length < sampleSize) sample.push(processId(record));
    }
    cursor = page.next;
  } while (cursor !== null);
  return { plannedAt, count, isCapped: false, outlook, sample };
}

export interface BulkWork {
  /** Aborts when another admin service may go on with it. */
  readonly signal: AbortSignal;
  readonly isCancelled: () => Promise<boolean>;
  /** Counted before the next one begins, so that whoever goes on knows it. */
  readonly onItem: (item: BulkItem) => Promise<void>;
  /** Keeps the rate: resolves when the next may begin. */
  readonly pace: () => Promise<void>;
}

/** A cancel is looked for every so many items. */
const lookEvery = 10;

/**
 * Does what is left of a started job. What was done before is not found again: a redriven or discarded letter is none,
 * a cancelled process does not run.
 * @returns null: the signal ended it, and another goes on
 * @throws StoreUnavailable; what was done stays done
 */
export async function runBulk(
  ports: BulkPorts,
  job: BulkJob & { readonly plan: BulkPlan },
  work: BulkWork,
): Promise<"completed" | "cancelled" | null> {
  const target = bulkTarget(ports, job.action, job.filter);
  let done = job.done;
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof target.page>> = await target.page(
      cursor,
      pageSize,
      job.plan.plannedAt,
    );
    for (const record of page.items) {
      if (work.signal.aborted) return null;
      if (done % lookEvery === 0 && (await work.isCancelled())) return "cancelled";
      if (target.since(record) > job.plan.plannedAt) continue;
      if (done >= job.plan.count) return "completed";
      const result = await target.act(record);
      await work.onItem({ id: processId(record), result });
      done += 1;
      await work.pace();
    }
    cursor = page.next;
  } while (cursor !== null);
  return "completed";
}
