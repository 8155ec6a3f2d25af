/** A process as clients see it, its id, and the addresses that belong to it. */

import type { Fence, ProcessId, Scope } from "./brands.ts";
import type { Executed } from "./problem-types.ts";
import type { ProblemBody } from "./problems.ts";

export const processApiPath = "/_sticky/v1/processes";
export const executionApiPath = "/_sticky/v1/executions";

export type ProcessStatus = "pending" | "in-progress" | "completed" | "failed" | "cancelled";
/** Inside `in-progress` only. */
export type ProcessPhase = "forwarding" | "awaiting-callback" | "backing-off";

export const processStatuses: readonly ProcessStatus[] = [
  "pending",
  "in-progress",
  "completed",
  "failed",
  "cancelled",
];

export interface Progress {
  /** 0 to 100; null: not said. */
  readonly percent: number | null;
  readonly message: string | null;
}

/** How a process ended: with a response of the service, or with a problem. */
export type ProcessOutcome =
  | { readonly executed: Executed; readonly httpStatus: number }
  | { readonly executed: Executed; readonly problem: ProblemBody };

/** The JSON body of `GET /processes/{id}`, in every state. Times are RFC 3339 in UTC; null: not (yet) the case. */
export interface ProcessView {
  readonly id: string;
  readonly service: string;
  /** The route's name, e.g. "POST /reports". */
  readonly operation: string;
  readonly status: ProcessStatus;
  readonly phase: ProcessPhase | null;
  readonly done: boolean;
  /** Rises with every visible change; also the ETag. */
  readonly version: number;
  readonly createTime: string;
  readonly startTime: string | null;
  readonly updateTime: string;
  readonly endTime: string | null;
  readonly expireTime: string | null;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly nextAttemptTime: string | null;
  readonly deadlineTime: string | null;
  readonly heartbeatTime: string | null;
  readonly progress: Progress | null;
  readonly cancelRequested: boolean;
  readonly outcome: ProcessOutcome | null;
  readonly lastError: ProblemBody | null;
  /** Id of the process that this one repeats. */
  readonly rerunOf: string | null;
  /** Id of the process that took this one's place. */
  readonly supersededBy: string | null;
  readonly links: ProcessLinks;
}

export interface ProcessLinks {
  readonly self: string;
  readonly result: string;
  readonly cancel: string;
  readonly rerun: string;
}

/** `base` is "" for path references, or an origin (with or without a path) that has no slash at its end. */
export function processLinks(id: string, base: string): ProcessLinks {
  const self = `${base}${processApiPath}/${id}`;
  return { self, result: `${self}/result`, cancel: `${self}/cancel`, rerun: `${self}/rerun` };
}

export function executionUrl(id: string, action: "complete" | "fail" | "heartbeat", base: string): string {
  return `${base}${executionApiPath}/${id}/${action}`;
}

/** What a process id names. */
export interface ProcessIdParts {
  readonly partition: number;
  /** 22 base64url characters. */
  readonly scope: Scope;
  /** The fence that the process was born with: a safe integer, at least 1. */
  readonly epoch: Fence;
}

/** `<partition>.<scope>.<epoch in base 36>` */
const idForm = /^(0|[1-9][0-9]{0,4})\.([A-Za-z0-9_-]{22})\.([1-9a-z][0-9a-z]{0,10})$/;
const maxPartition = 16_383;

/** null for everything that {@link formatProcessId} would not write. */
export function parseProcessId(text: string): ProcessIdParts | null {
  const match = idForm.exec(text);
  if (match === null) return null;
  const partition = Number(match[1]);
  const epoch = Number.parseInt(match[3]!, 36);
  if (partition > maxPartition || !Number.isSafeInteger(epoch)) return null;
  return { partition, scope: match[2] as Scope, epoch: epoch as Fence };
}

export function formatProcessId({ partition, scope, epoch }: ProcessIdParts): ProcessId {
  return `${partition}.${scope}.${epoch.toString(36)}` as ProcessId;
}
