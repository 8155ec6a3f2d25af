/** A record as clients see it. */
import {
  formatProcessId,
  isProxyErrorType,
  Problem,
  problemBody,
  processLinks,
  type ProcessView,
  type ProblemOptions,
  type Fence,
  type ProcessId,
} from "@sticky-proxy/protocol";
import { isTerminal, type ProcessRecord, type ProcessRef } from "./record.ts";

export function processId(ref: ProcessRef): ProcessId {
  return formatProcessId(ref);
}

/**
 * The problem that ended a process (or its last attempt); null when it ended with the service's own answer, or has
 * not failed.
 */
export function problemOf(record: ProcessRecord): Problem | null {
  if (record.problem === null) return null;
  const options: ProblemOptions = {
    processId: processId(record),
    service: record.service,
    ...(record.executed === null ? {} : { executed: record.executed }),
    ...retryableOf(record),
    ...(record.reason !== null && isProxyErrorType(record.reason) ? { proxyStatus: record.reason } : {}),
  };
  return new Problem(record.problem, options);
}

/** Can the same request succeed later? A kept end is replayed; a released identity runs again. */
export function retryableOf({ status, executed, released }: ProcessRecord): { retryable?: boolean } {
  if (isTerminal(status)) return { retryable: released };
  return executed === "no" ? { retryable: true } : {};
}

/** `base` as in processLinks; times as RFC 3339, null: not (yet) the case. */
export function viewOf(record: ProcessRecord, base: string): ProcessView {
  const id = processId(record);
  const done = isTerminal(record.status);
  const problem = problemOf(record);
  const body = problem === null ? null : problemBody(problem, null);
  const executed = record.executed ?? "unknown";
  const sibling = (epoch: Fence | null): string | null =>
    epoch === null ? null : formatProcessId({ partition: record.partition, scope: record.scope, epoch });
  return {
    id,
    service: record.service,
    operation: record.operation,
    status: record.status,
    phase: record.phase,
    done,
    version: record.version,
    createTime: time(record.createdAt),
    startTime: timeOrNull(record.startedAt),
    updateTime: time(record.updatedAt),
    endTime: timeOrNull(record.endedAt),
    expireTime: timeOrNull(record.expireAt),
    attempt: record.attempt,
    maxAttempts: record.maxAttempts,
    nextAttemptTime: timeOrNull(record.nextAttemptAt),
    deadlineTime: timeOrNull(record.deadlineAt),
    heartbeatTime: timeOrNull(record.heartbeatAt),
    progress:
      record.progressPercent === null && record.progressMessage === null
        ? null
        : { percent: record.progressPercent, message: record.progressMessage },
    cancelRequested: record.cancelRequested,
    outcome: !done
      ? null
      : body !== null
        ? { executed, problem: body }
        : { executed, httpStatus: record.httpStatus ?? 200 },
    lastError: done ? null : body,
    rerunOf: sibling(record.rerunOf),
    supersededBy: sibling(record.supersededBy),
    links: processLinks(id, base),
  };
}

function time(at: number): string {
  return new Date(Math.round(at)).toISOString();
}

function timeOrNull(at: number | null): string | null {
  return at === null ? null : time(at);
}
