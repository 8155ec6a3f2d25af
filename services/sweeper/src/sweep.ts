/**
 * Claims due alarms, determines the duty of each, executes it, applies its result. Claiming hides an alarm for a while
 * and never removes it: if this sweeper dies the alarm becomes due again, and two sweepers only race for
 * commits, which version and due check decide.
 */
import { dutyOf, processId, type Duty, type ProcessRecord } from "@sticky-proxy/core/process";
import { perform, type DutyDeps } from "./duties.ts";

export interface SweepDeps extends DutyDeps {
  readonly onDuty: (duty: Duty) => void;
  readonly hideMs: number;
  /** Largest number of claims per turn, of concurrent dispatches, and of concurrent calls to services and endpoints. */
  readonly batch: number;
}

export interface Sweeper {
  /** One turn: all due alarms, in batches. Returns the number of processed alarms. @throws StoreUnavailable */
  tick(): Promise<number>;
  /** Claims no more; resolves when running calls have ended. */
  stop(): Promise<void>;
}

export function createSweeper(deps: SweepDeps): Sweeper {
  const { processes, executor, onDuty, onFailure, hideMs, batch } = deps;
  let stopped = false;
  /** Polls and deliveries are not awaited: a slow peer must not delay other alarms. */
  const calls = new Map<string, Promise<void>>();

  async function answer(record: ProcessRecord): Promise<void> {
    const duty = dutyOf(record, processes.now());
    if (duty === null) return;
    const id = processId(record);
    if (calls.has(id)) return; // the call has taken longer than the hiding time
    onDuty(duty);
    const done = perform(deps, duty, record).catch((error: unknown) => {
      onFailure(duty, record, error); // the alarm is only hidden: it becomes due again
    });
    if (duty !== "poll" && duty !== "deliver") return done;
    calls.set(id, done);
    void done.then(() => calls.delete(id));
  }

  return {
    async tick() {
      let answered = 0;
      while (!stopped && executor.inFlight < batch && calls.size < batch) {
        const due = await processes.claimDue({ limit: batch, hideMs });
        await Promise.all(due.map(answer));
        answered += due.length;
        if (due.length < batch) break;
      }
      return answered;
    },
    async stop() {
      stopped = true;
      while (calls.size > 0) await Promise.all(calls.values());
      await executor.idle();
    },
  };
}
