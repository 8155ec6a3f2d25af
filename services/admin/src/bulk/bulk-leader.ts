/**
 * Does the started bulk jobs, one after the other, while this admin service leads. Another one goes on where the last
 * one ended: what was done is counted item by item, and is not found again.
 */
import {
  bulkState,
  planningMs,
  type BulkJob,
  type BulkJobs,
  type BulkPlan,
} from "@sticky-proxy/core/operators";
import { runBulk, type BulkPorts } from "@sticky-proxy/operations";
import type { Logger } from "@sticky-proxy/runtime";

export interface BulkLeaderDeps {
  readonly jobs: BulkJobs;
  readonly ports: BulkPorts;
  /** The store's clock. @throws StoreUnavailable */
  readonly now: () => Promise<number>;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly logger: Pick<Logger, "info">;
}

const lookMs = 300;

/** Ends with the signal. @throws StoreUnavailable: the leadership is given up, and somebody tries again */
export async function leadBulk(deps: BulkLeaderDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const job of (await deps.jobs.list()).toReversed()) {
      if (signal.aborted) return;
      await look(deps, job, signal);
    }
    await deps.sleep(lookMs, signal);
  }
}

async function look(deps: BulkLeaderDeps, job: BulkJob, signal: AbortSignal): Promise<void> {
  const { jobs, now } = deps;
  switch (bulkState(job)) {
    case "planning": {
      const at = await now();
      if (at - job.createdAt > planningMs)
        await jobs.end(job.id, { state: "failed", at, error: "its planner ended; plan it again" });
      return;
    }
    case "running":
    case "cancelling":
      return run(deps, job as BulkJob & { plan: BulkPlan }, signal);
    case "planned":
    case "cancelled":
    case "completed":
    case "failed":
  }
}

async function run(
  { jobs, ports, now, sleep, logger }: BulkLeaderDeps,
  job: BulkJob & { readonly plan: BulkPlan },
  signal: AbortSignal,
): Promise<void> {
  const gapMs = 1000 / (job.start?.ratePerSecond ?? 50);
  const ended = await runBulk(ports, job, {
    signal,
    isCancelled: async () => (await jobs.get(job.id))?.isCancelRequested ?? true,
    onItem: (item) => jobs.addItem(job.id, item),
    pace: () => sleep(gapMs, signal),
  });
  if (ended === null) return;
  await jobs.end(job.id, { state: ended, at: await now(), error: null });
  logger.info("bulk.ended", { id: job.id, action: job.action, state: ended });
}
