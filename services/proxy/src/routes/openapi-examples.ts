/** One example for each schema of the public surface, by its name; a test validates them. */
import { problemBody, Problem } from "@sticky-proxy/protocol";

const id = "17.Zk3vJt9wQe2mXy7LbN0aRg.mh2k4f1";
const self = `/_sticky/v1/processes/${id}`;

export const examples: Readonly<Record<string, unknown>> = {
  Process: {
    id,
    service: "reports",
    operation: "POST /reports",
    status: "in-progress",
    phase: "awaiting-callback",
    done: false,
    version: 3,
    createTime: "2026-12-01T09:30:00.000Z",
    startTime: "2026-12-01T09:30:00.012Z",
    updateTime: "2026-12-01T09:30:04.500Z",
    endTime: null,
    expireTime: null,
    attempt: 1,
    maxAttempts: 3,
    nextAttemptTime: null,
    deadlineTime: "2026-12-01T10:30:00.012Z",
    heartbeatTime: "2026-12-01T09:30:04.500Z",
    progress: { percent: 40, message: "2 of 5 pages" },
    cancelRequested: false,
    outcome: null,
    lastError: null,
    rerunOf: null,
    supersededBy: null,
    links: { self, result: `${self}/result`, cancel: `${self}/cancel`, rerun: `${self}/rerun` },
  },
  ProcessState: { service: "reports", status: "completed", phase: null, done: true },
  Progress: { percent: 40, message: "2 of 5 pages" },
  Problem: problemBody(
    new Problem("upstream-timeout", { processId: id, service: "reports", executed: "unknown" }),
    "0328607c-8c74-4859-afa3-09b0f2c89df1",
  ),
  ProblemType: {
    type: "/_sticky/problems/process-expired",
    title: "The result is not kept any more",
    status: 410,
    executed: "yes",
    retryable: false,
    about: "The process ended, and its result has expired.",
  },
  Result: { status: 201, headers: { "Content-Type": "application/json" }, body: { report: 7 } },
  Failure: { title: "The printer is on fire", retryable: true, executed: "no" },
  Heartbeat: { progress: { percent: 40, message: "2 of 5 pages" }, extendMs: 60_000 },
  Acknowledgement: { accepted: true },
  Event: {
    type: "process.completed",
    timestamp: "2026-12-01T09:31:00.000Z",
    data: {
      id,
      service: "reports",
      status: "completed",
      executed: "yes",
      httpStatus: 200,
      problem: null,
      links: { self, result: `${self}/result` },
    },
  },
};
