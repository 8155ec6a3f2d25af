/**
 * Claim what is due, ask which duty it calls for, do it, apply what was learned. Claiming hides an alarm for a while
 * and never removes it: if this sweeper dies the alarm rings again, and two sweepers side by side only ever race for
 * commits that version and due-check decide.
 */
import { dutyOf, processId, type Duty, type ProcessRecord } from "@sticky-proxy/core/process";
import { perform, type DutyDeps } from "./duties.ts";

export interface SweepDeps extends DutyDeps {
  readonly onDuty: (duty: Duty) => void;
  readonly hideMs: number;
  /** Claims per turn, and the most dispatches, and the most calls to services and endpoints, under way at once. */
  readonly batch: number;
}

export interface Sweeper {
  /** One turn: everything that is due now, batch by batch. Returns how many alarms were answered. @throws StoreUnavailable */
  tick(): Promise<number>;
  /** No new claims; resolves when what is under way has ended. */
  stop(): Promise<void>;
}

export function createSweeper(deps: SweepDeps): Sweeper {
  const { processes, executor, onDuty, onFailure, hideMs, batch } = deps;
  let stopped = false;
  /** Polls and deliveries: their other side may take its time, and must not hold the other alarms back. */
  const calls = new Map<string, Promise<void>>();

  async function answer(record: ProcessRecord): Promise<void> {
    const duty = dutyOf(record, processes.now());
    if (duty === null) return;
    const id = processId(record);
    if (calls.has(id)) return; // still asking, longer than the alarm was hidden
    onDuty(duty);
    const done = perform(deps, duty, record).catch((error: unknown) => {
      onFailure(duty, record, error); // the alarm is hidden, not gone: it rings again
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
