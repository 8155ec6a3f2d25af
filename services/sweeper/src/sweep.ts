/**
 * Claim what is due, ask which duty it calls for, do it, apply what was learned. Claiming hides an alarm for a while
 * and never removes it: if this sweeper dies the alarm rings again, and two sweepers side by side only ever race for
 * commits that version and due-check decide.
 */
import {
  dutyOf,
  processId,
  type Duty,
  type ProcessRecord,
  type Processes,
  type Rules,
  type Service,
  type Route,
  type StoredResponse,
} from "@sticky-proxy/core";
import type { Execution, Executor } from "@sticky-proxy/upstream";

/** What asking a service at its poll address brought. */
export type PollAnswer =
  | { readonly kind: "running"; readonly retryInMs: number; readonly percent: number | null }
  | { readonly kind: "result"; readonly id: string; readonly response: StoredResponse }
  /** No usable answer: ask again later. */
  | { readonly kind: "no-answer"; readonly retryInMs: number };

export interface SweepDeps {
  readonly processes: Processes;
  readonly executor: Executor;
  readonly node: string;
  readonly find: (record: ProcessRecord) => { service: Service; route: Route; rules: Rules } | null;
  readonly poll: (record: ProcessRecord, service: Service, route: Route) => Promise<PollAnswer>;
  readonly deliver: (record: ProcessRecord) => Promise<{ delivered: boolean; retryInMs: number | null }>;
  readonly extra: (record: ProcessRecord) => Execution["extra"];
  readonly onDuty: (duty: Duty) => void;
  readonly onFailure: (duty: Duty, record: ProcessRecord, error: unknown) => void;
  readonly hideMs: number;
  /** Claims per turn, and the most dispatches this sweeper has under way. */
  readonly batch: number;
}

export interface Sweeper {
  /** One turn: everything that is due now, batch by batch. Returns how many alarms were answered. @throws StoreUnavailable */
  tick(): Promise<number>;
  /** No new claims; resolves when what is under way has ended. */
  stop(): Promise<void>;
}

export function createSweeper(deps: SweepDeps): Sweeper {
  const { processes, executor, node, find, poll, deliver, onDuty, onFailure, hideMs, batch } = deps;
  let stopped = false;

  async function answer(record: ProcessRecord): Promise<void> {
    const duty = dutyOf(record, processes.now());
    if (duty === null) return;
    onDuty(duty);
    try {
      await perform(duty, record);
    } catch (error) {
      onFailure(duty, record, error); // the alarm is hidden, not gone: it rings again
    }
  }

  async function perform(duty: Duty, record: ProcessRecord): Promise<void> {
    switch (duty) {
      case "take-over":
        await processes.apply(record, { type: "lease-ended" }, { ifDue: true });
        return;
      case "fail":
        await processes.apply(record, { type: "overdue" }, { ifDue: true });
        return;
      case "expire":
        await processes.apply(record, { type: "expired" }, { ifDue: true });
        return;
      case "purge":
        await processes.store.purge(record);
        return;
      case "dispatch":
        await dispatch(record);
        return;
      case "poll":
        await pollOnce(record);
        return;
      case "deliver": {
        const { delivered, retryInMs } = await deliver(record);
        await processes.apply(record, { type: "notified", delivered, retryInMs });
      }
    }
  }

  async function dispatch(record: ProcessRecord): Promise<void> {
    const found = find(record);
    const request = found === null ? null : await processes.store.readRequest(record);
    if (found === null || request === null) {
      await processes.apply(record, { type: "lease-ended" }, { ifDue: true });
      return;
    }
    const sent = await processes.apply(record, { type: "dispatched", owner: node }, { ifDue: true });
    if (sent.kind !== "applied" || sent.record.owner !== node) return;
    // Not awaited: a slow service must not hold the other alarms back. The executor counts it.
    executor
      .run({ record: sent.record, ...found, request, extra: deps.extra(record), client: null })
      .then((run) => run.live?.body.destroy())
      .catch((error: unknown) => onFailure("dispatch", record, error));
  }

  async function pollOnce(record: ProcessRecord): Promise<void> {
    const found = find(record);
    if (found === null) return;
    const answered = await poll(record, found.service, found.route);
    if (answered.kind === "result") {
      await processes.apply(record, {
        type: "called-back",
        attempt: record.attempt,
        status: answered.response.status,
        result: { id: answered.id, response: answered.response },
      });
      return;
    }
    await processes.apply(record, { type: "still-running", pollInMs: answered.retryInMs });
  }

  return {
    async tick() {
      let answered = 0;
      while (!stopped && executor.inFlight < batch) {
        const { due } = await processes.store.claimDue({ limit: batch, hideMs });
        await Promise.all(due.map(answer));
        answered += due.length;
        if (due.length < batch) break;
      }
      return answered;
    },
    async stop() {
      stopped = true;
      await executor.idle();
    },
  };
}

/** For logs: which process an alarm belonged to. */
export function alarmName(record: ProcessRecord): string {
  return `${processId(record)} ${record.status}`;
}
