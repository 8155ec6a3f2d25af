/** What an alarm calls for, done: a duty a function, and what was learned applied to the process. */
import { isTerminal, type Duty, type ProcessRecord } from "@sticky-proxy/core/process";
import type {
  MirrorIntents,
  Processes,
  Deliverer,
  Execution,
  Executor,
  Pacing,
  PinnedRuleBook,
  Poller,
} from "@sticky-proxy/engine";
import { callerOf, saysFailure } from "@sticky-proxy/engine";
import type { UnknownWork } from "./unknown-work.ts";

export interface DutyDeps {
  readonly processes: Processes;
  readonly executor: Executor;
  readonly node: string;
  readonly pacing: Pick<Pacing, "isPaused" | "pausedMs">;
  readonly rules: Pick<PinnedRuleBook, "find" | "learn" | "standing">;
  /** What this node cannot do is told here, and left to a node that can. */
  readonly unknownWork: UnknownWork;
  /** Whether today's file has a webhook endpoint of that name. */
  readonly isEndpoint: (name: string) => boolean;
  readonly poll: Poller;
  readonly deliver: Deliverer;
  readonly extra: (record: ProcessRecord) => Execution["extra"];
  /** Of the mirror; absent: no route is mirrored. */
  readonly intents?: Pick<MirrorIntents, "recover">;
  readonly onFailure: (duty: Duty, record: ProcessRecord, error: unknown) => void;
}

/** How long an event waits for a sweeper that knows its endpoint. */
const endpointWaitMs = 24 * 3_600_000;

/**
 * Whether this node has what the duty takes. What has ended needs no more than careful defaults; what runs is decided by
 * the rules it began with, and sent to an address of today's file.
 */
function isKnown({ rules, isEndpoint, processes }: DutyDeps, duty: Duty, record: ProcessRecord): boolean {
  if (duty === "deliver") {
    const dueForMs = processes.now() - (record.wakeAt ?? 0);
    return isEndpoint(record.notify ?? "") || dueForMs > endpointWaitMs; // then it is gone, and tried as such
  }
  if (duty === "expire" || duty === "purge") return true;
  const standing = rules.standing(record);
  return standing === "here" || (standing === "no-service" && duty !== "dispatch" && duty !== "poll");
}

/** Rejects where the store does not answer: the alarm is hidden, not gone, and rings again. */
export async function perform(deps: DutyDeps, duty: Duty, record: ProcessRecord): Promise<void> {
  const { processes, rules, unknownWork } = deps;
  await rules.learn(record);
  if (!isKnown(deps, duty, record)) {
    unknownWork.saw(record);
    // Soon at first, since a sweeper that knows it may be there already; later no more often than anything is hidden.
    const dueForMs = processes.now() - (record.wakeAt ?? 0);
    return processes.store.ringAgain(record, Math.min(30_000, Math.max(1000, dueForMs / 10)));
  }
  unknownWork.forget(record);
  switch (duty) {
    case "take-over": {
      const taken = await processes.apply(record, { type: "lease-ended" }, { ifDue: true });
      // The owner may have died before it appended the intent.
      if (taken.kind === "applied" && isTerminal(taken.record.status))
        await recoverMirror(deps, taken.record);
      return;
    }
    case "fail":
      await processes.apply(record, { type: "overdue" }, { ifDue: true });
      return;
    case "expire":
      await recoverMirror(deps, record);
      await processes.apply(record, { type: "expired" }, { ifDue: true });
      return;
    case "purge":
      await processes.store.purge(record);
      return;
    case "dispatch":
      await dispatch(deps, record);
      return;
    case "poll":
      await pollOnce(deps, record);
      return;
    case "deliver": {
      const { delivered, retryInMs } = await deps.deliver(record);
      await processes.apply(record, { type: "notified", delivered, retryInMs });
    }
  }
}

/** A record that waits for its copy never expires, so a missing intent is recovered here. */
async function recoverMirror(deps: DutyDeps, record: ProcessRecord): Promise<void> {
  const { processes } = deps;
  if (record.mirror !== "pending") return;
  const request = await processes.store.readRequest(record, { mayLackCredentials: true });
  if (request !== null) await deps.intents?.recover(record, request);
}

async function dispatch(deps: DutyDeps, record: ProcessRecord): Promise<void> {
  const { processes, executor, node, pacing, rules, onFailure } = deps;
  const found = rules.find(record);
  if (found === null) return; // the file has changed just now
  const request = await processes.store.readRequest(record);
  if (request === null) {
    await processes.apply(record, { type: "lease-ended" }, { ifDue: true });
    return;
  }
  const caller = callerOf(record);
  if (pacing.isPaused(record.service, caller)) {
    const ms = pacing.pausedMs(record.service, caller);
    await processes.apply(record, { type: "postponed", ms, owner: null }, { ifDue: true });
    return;
  }
  const sent = await processes.apply(record, { type: "dispatched", owner: node }, { ifDue: true });
  if (sent.kind !== "applied" || sent.record.owner !== node) return;
  try {
    const execution = { record: sent.record, ...found, request, extra: deps.extra(record), client: null };
    const run = await executor.run(execution);
    run.live?.body.destroy();
  } catch (error) {
    onFailure("dispatch", record, error);
  }
}

async function pollOnce(deps: DutyDeps, record: ProcessRecord): Promise<void> {
  const { processes, rules, poll } = deps;
  const found = rules.find(record);
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
      await processes.apply(record, { type: "overdue", reason: answered.reason }, { ifDue: true });
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
