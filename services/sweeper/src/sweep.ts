/**
 * Claim what is due, ask which duty it calls for, do it, apply what was learned. Claiming hides an alarm for a while
 * and never removes it: if this sweeper dies the alarm rings again, and two sweepers side by side only ever race for
 * commits that version and due-check decide.
 */
import {
  dutyOf,
  isTerminal,
  processId,
  type Duty,
  type ProcessRecord,
  type Rules,
} from "@sticky-proxy/core/process";
import type {
  MirrorIntents,
  Processes,
  Deliverer,
  Execution,
  Executor,
  Pacing,
  Poller,
} from "@sticky-proxy/engine";
import { saysFailure } from "@sticky-proxy/engine";
import type { Service, Route } from "@sticky-proxy/core/registry";

export interface SweepDeps {
  readonly processes: Processes;
  readonly executor: Executor;
  readonly node: string;
  readonly pacing: Pick<Pacing, "isPaused" | "pausedMs">;
  readonly find: (record: ProcessRecord) => { service: Service; route: Route; rules: Rules } | null;
  readonly poll: Poller;
  readonly deliver: Deliverer;
  readonly extra: (record: ProcessRecord) => Execution["extra"];
  /** Of the mirror; absent: nothing is mirrored. */
  readonly intents?: Pick<MirrorIntents, "recover">;
  readonly onDuty: (duty: Duty) => void;
  readonly onFailure: (duty: Duty, record: ProcessRecord, error: unknown) => void;
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
  const { processes, executor, node, pacing, find, poll, deliver, onDuty, onFailure, hideMs, batch } = deps;
  let stopped = false;
  /** Polls and deliveries: their other side may take its time, and must not hold the other alarms back. */
  const calls = new Map<string, Promise<void>>();

  async function answer(record: ProcessRecord): Promise<void> {
    const duty = dutyOf(record, processes.now());
    if (duty === null) return;
    const id = processId(record);
    if (calls.has(id)) return; // still asking, longer than the alarm was hidden
    onDuty(duty);
    const done = perform(duty, record).catch((error: unknown) => {
      onFailure(duty, record, error); // the alarm is hidden, not gone: it rings again
    });
    if (duty !== "poll" && duty !== "deliver") return done;
    calls.set(id, done);
    void done.then(() => calls.delete(id));
  }

  async function perform(duty: Duty, record: ProcessRecord): Promise<void> {
    switch (duty) {
      case "take-over": {
        const taken = await processes.apply(record, { type: "lease-ended" }, { ifDue: true });
        // Its owner may have died before its intent stood.
        if (taken.kind === "applied" && isTerminal(taken.record.status)) await recoverMirror(taken.record);
        return;
      }
      case "fail":
        await processes.apply(record, { type: "overdue" }, { ifDue: true });
        return;
      case "expire":
        await recoverMirror(record);
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

  /** A record that waits for its copy is kept; should its intent be missing, it would be kept for ever. */
  async function recoverMirror(record: ProcessRecord): Promise<void> {
    if (record.mirror !== "pending") return;
    const request = await processes.store.readRequest(record, { mayLackCredentials: true });
    if (request !== null) await deps.intents?.recover(record, request);
  }

  async function dispatch(record: ProcessRecord): Promise<void> {
    const found = find(record);
    const request = found === null ? null : await processes.store.readRequest(record);
    if (found === null || request === null) {
      await processes.apply(record, { type: "lease-ended" }, { ifDue: true });
      return;
    }
    if (pacing.isPaused(record.service)) {
      const ms = pacing.pausedMs(record.service);
      await processes.apply(record, { type: "postponed", ms, owner: null }, { ifDue: true });
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
    const { attempt } = record;
    switch (answered.kind) {
      case "result": {
        const { id, response } = answered;
        const { status } = response;
        const result = { id, response };
        const judged = saysFailure(found.rules.policy, response) ? { isFailure: true as const } : {};
        await processes.apply(record, {
          type: "called-back",
          attempt,
          status,
          result,
          message: null,
          ...judged,
        });
        return;
      }
      case "unknown-work":
        await processes.apply(record, { type: "overdue" }, { ifDue: true });
        return;
      case "running":
        if (answered.percent !== null && answered.percent !== record.progressPercent) {
          const { percent } = answered;
          await processes.apply(record, {
            type: "heartbeat",
            attempt,
            percent,
            message: null,
            extendMs: null,
          });
        }
        await processes.apply(record, { type: "still-running", pollInMs: answered.retryInMs });
        return;
      case "no-answer":
        await processes.apply(record, { type: "still-running", pollInMs: answered.retryInMs });
    }
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
