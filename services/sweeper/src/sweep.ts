/**
 * Claims due alarms, determines the duty of each, executes it, applies its result. Claiming hides an alarm for a while
 * and never removes it: if this sweeper dies the alarm becomes due again, and two sweepers only race for
 * commits, which version and due check decide.
 */
import { dutyOf, processId, type Duty, type ProcessRecord } from "@sticky-proxy/core/process";
import { perform, type DutyDeps } from "./duties.ts";

export interface SweepDeps extends DutyDeps {
  readonly onDuty: (duty: Duty) => void;
  /** A duty was done; what hangs on an answer from outside counts when the answer has come. */
  readonly onDone: (duty: Duty) => void;
  readonly hideMs: number;
  /** Claims per look, and the most dispatches, polls and deliveries under way at once, each kind by itself. */
  readonly batch: number;
}

export interface Sweeper {
  /** One turn: all due alarms, in batches. Returns the number of processed alarms. @throws StoreUnavailable */
  tick(): Promise<number>;
  /** Claims no more; resolves when running calls have ended. */
  stop(): Promise<void>;
}

/** What waits for somebody outside has a budget of its kind and of its destination; the rest is done at once, first. */
const outside: ReadonlySet<Duty> = new Set(["dispatch", "poll", "deliver"]);
/** One destination has this share of its kind's budget: a slow one leaves room for the others. */
const shareOfOne = 0.25;
/** What finds no room rings again after this and up to twice as long. */
const noRoomMs = 1000;

export function createSweeper(deps: SweepDeps): Sweeper {
  const { processes, executor, onDuty, onDone, onFailure, hideMs, batch } = deps;
  let stopped = false;
  /** Under way outside, by process: none is started twice. */
  const calls = new Map<string, Promise<void>>();
  const underWay = new Map<string, number>();
  const perDestination = Math.max(1, Math.ceil(batch * shareOfOne));

  function hasRoom(duty: Duty, record: ProcessRecord): boolean {
    const ofKind = underWay.get(duty) ?? 0;
    return ofKind < batch && (underWay.get(placeOf(duty, record)) ?? 0) < perDestination;
  }
  function count(duty: Duty, record: ProcessRecord, by: 1 | -1): void {
    for (const name of [duty, placeOf(duty, record)]) {
      const left = (underWay.get(name) ?? 0) + by;
      if (left > 0) underWay.set(name, left);
      else underWay.delete(name);
    }
  }

  async function answer(record: ProcessRecord): Promise<void> {
    const duty = dutyOf(record, processes.now(), processes.isGated);
    if (duty === null) return;
    const id = processId(record);
    if (calls.has(id)) return; // still asking, longer than the alarm was hidden
    const isOutside = outside.has(duty);
    try {
      if (isOutside && !hasRoom(duty, record))
        return await processes.store.ringAgain(record, noRoomMs * (1 + Math.random()));
      onDuty(duty);
      if (!isOutside) {
        await perform(deps, duty, record);
        return onDone(duty);
      }
    } catch (error) {
      return onFailure(duty, record, error); // the alarm is hidden, not gone: it rings again
    }
    count(duty, record, 1);
    const done = perform(deps, duty, record)
      .then(() => onDone(duty))
      .catch((error: unknown) => onFailure(duty, record, error))
      .finally(() => {
        count(duty, record, -1);
        calls.delete(id);
      });
    calls.set(id, done);
  }

  return {
    async tick() {
      let answered = 0;
      while (!stopped) {
        const due = await processes.claimDue({ limit: batch, hideMs });
        const now = processes.now();
        const isFirst = (record: ProcessRecord): boolean =>
          !outside.has(dutyOf(record, now, processes.isGated) ?? "expire");
        await Promise.all(due.filter(isFirst).map(answer));
        await Promise.all(due.filter((record) => !isFirst(record)).map(answer));
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

/** Who is asked: a slow one shall not hold up what is for others. */
function placeOf(duty: Duty, record: ProcessRecord): string {
  return `${duty} ${duty === "deliver" ? (record.notify ?? "") : record.service}`;
}
