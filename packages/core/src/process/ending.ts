/** The one way a process ends. */
import type { Executed, ProblemSlug } from "@sticky-proxy/protocol";
import type { ProcessPolicy } from "../registry/service.ts";
import { change, type Circumstances, type Result, type Transition } from "./events.ts";
import type { DeadLetterClass, ProcessRecord } from "./record.ts";
import { keepAfterEnd, requestAfter, ttlOf } from "./retention.ts";

interface Ending {
  event: string;
  status: "completed" | "failed" | "cancelled";
  executed: Executed;
  httpStatus?: number;
  problem?: ProblemSlug;
  reason?: string;
  result?: Result | null;
  message?: string | null;
  released: boolean;
  deadLetter?: DeadLetterClass | null;
  cancelRequested?: boolean;
  /** How long the record says so; default: as long as the route keeps a result of its status. */
  ttlMs?: number;
}

/** P3, P4, P7, P9: the one way a process ends. */
export function finish(record: ProcessRecord, c: Circumstances, e: Ending): Transition {
  const deadLetter = e.deadLetter ?? null;
  const request = requestAfter(record, c, { deadLetter, mirror: record.mirror });
  const notify = record.notify !== null;
  const ttlMs = e.ttlMs ?? ttlOf(c.policy, e.httpStatus ?? null);
  return change(
    { event: e.event, status: e.status, executed: e.executed, ...(e.reason ? { reason: e.reason } : {}) },
    {
      status: e.status,
      phase: null,
      owner: null,
      executed: e.executed,
      httpStatus: e.httpStatus ?? null,
      problem: e.problem ?? null,
      reason: e.reason ?? null,
      released: e.released,
      deadLetter,
      resultPayload: e.result?.id ?? null,
      ...request.set,
      ...(e.cancelRequested ? { cancelRequested: true } : {}),
      ...(e.message === undefined ? {} : { lastMessage: e.message }),
      ...(notify ? { notifyState: "pending" as const } : {}),
    },
    {
      endedAt: 0,
      expireAt: ttlMs,
      wakeAt: notify ? 0 : ttlMs,
      nextAttemptAt: null,
      keepUntil: record.mirror === "pending" ? null : keepAfterEnd(c, ttlMs, deadLetter),
    },
    { result: e.result?.response ?? null, drop: request.drop },
  );
}

/**
 * Whether the work ran, over all attempts: an attempt that did not run it takes nothing back of what an earlier one may
 * have done.
 */
export function mergeExecuted(record: ProcessRecord, executed: Executed): Executed {
  return executed === "no" ? (record.executed ?? "no") : executed;
}

/** Which of the service's own results are replayed (API.md, "What is kept"). */
export function isKept(status: number, policy: ProcessPolicy): boolean {
  if (policy.identity === "key") return status < 500 || policy.keepServerErrors;
  return status < 500 && status !== 408 && status !== 425 && status !== 429;
}
