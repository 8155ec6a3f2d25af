/** Commits an attempt's outcome, with retries until the store accepts it, for up to one lease. */
import { RecordDiffers, StoreUnavailable, type ProcessRecord, processId } from "@sticky-proxy/core/process";
import { Problem, type Clock } from "@sticky-proxy/protocol";
import type { DispatchIntent } from "../mirror/intents.ts";
import type { Processes } from "../process/processes.ts";
import type { Attempt } from "./attempt.ts";

export interface CommitDeps {
  readonly processes: Processes;
  readonly clock: Pick<Clock, "monotonic">;
  /** Resolves after ms or when the signal aborts; never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface Committed {
  readonly record: ProcessRecord;
  /** false: another event counted first; the response is dropped. */
  readonly isOurs: boolean;
}

/** @throws Problem execution-lost when the store did not take it within a lease, or has no such process any more */
export async function commitAnswer(
  { processes, clock, sleep }: CommitDeps,
  record: ProcessRecord,
  answer: Attempt,
  intent: DispatchIntent | null,
): Promise<Committed> {
  const until = clock.monotonic() + record.leaseMs;
  const never = new AbortController().signal;
  let committed: Committed | null = null;
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 1000)) {
    try {
      if (committed === null) {
        await intent?.ensure();
        const applied = await processes.apply(record, answer.event);
        if (applied.kind === "gone") throw executionLost(record, answer.sawAnswer);
        committed = {
          record: applied.record,
          isOurs: applied.kind === "applied" || isOwn(applied.record, answer),
        };
      }
      // An acknowledged result is never lost: the ha profiles confirm it on the replicas first.
      await processes.confirm(committed.record);
      return committed;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      if (error instanceof RecordDiffers) committed = null; // another server, perhaps without our commit
      if (clock.monotonic() + pauseMs > until) throw executionLost(record, answer.sawAnswer);
      await sleep(pauseMs, never);
    }
  }
}

/** Committed by us before, as somebody changed the record since. */
function isOwn({ attempt, resultPayload }: ProcessRecord, { event }: Attempt): boolean {
  return (
    event.type === "responded" &&
    event.result !== null &&
    attempt === event.attempt &&
    resultPayload === event.result.id
  );
}

/** Never "no" once bytes went out; "yes" when the service's answer was seen. */
export function executionLost(record: ProcessRecord, sawAnswer: boolean): Problem {
  return new Problem("execution-lost", {
    processId: processId(record),
    service: record.service,
    executed: sawAnswer ? "yes" : "unknown",
  });
}
