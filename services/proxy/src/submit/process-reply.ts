/** A process as the answer to a request. Pure: record in, reply or problem out. */
import {
  isTerminal,
  problemOf,
  processId,
  retryableOf,
  viewOf,
  type ProcessRecord,
} from "@sticky-proxy/core/process";
import { headerValue, type HeaderLine, type HeaderList, type StoredResponse } from "@sticky-proxy/core/http";
import {
  fields,
  formatLinks,
  formatPreferenceApplied,
  formatProcessId,
  formatRetryAfter,
  formatVersionTag,
  Problem,
  processLinks,
  type Preferences,
  type Source,
} from "@sticky-proxy/protocol";
import { formatHttpDate } from "@sticky-proxy/protocol/http";
import type { Readable } from "node:stream";
import { jsonBody, type Reply } from "../reply.ts";

/** How often a client is asked to come back while a process runs. */
const pollMs = 1000;

/** The fields on every reply that touched a process. */
export function processFields(record: ProcessRecord, source: Source, replayed: boolean): HeaderLine[] {
  const lines: HeaderLine[] = [
    [fields.stickyProcessId, processId(record)],
    [fields.stickyProcessStatus, record.status],
    [fields.stickySource, source],
    [fields.idempotentReplayed, String(replayed)],
  ];
  if (record.expireAt !== null && !record.released) {
    lines.push([fields.idempotencyExpires, formatHttpDate(record.expireAt)]);
  }
  return lines;
}

/** 202: the work goes on; poll `Location`. */
export function acceptedReply(record: ProcessRecord, applied: Preferences | null, replayed: boolean): Reply {
  const links = processLinks(processId(record), "");
  const preference = applied === null ? null : formatPreferenceApplied(applied);
  return {
    status: 202,
    headers: [
      ["Content-Type", "application/json"],
      ["Location", links.self],
      [fields.retryAfter, formatRetryAfter(retryIn(record))],
      ["ETag", formatVersionTag(record.version)],
      ["Cache-Control", "no-store"],
      ...(preference === null ? [] : [[fields.preferenceApplied, preference] as HeaderLine]),
      ...processFields(record, "gateway", replayed),
    ],
    body: jsonBody(viewOf(record, "")),
  };
}

/** The service's own answer, first-hand or from the store. */
export function resultReply(
  record: ProcessRecord,
  response: { readonly status: number; readonly headers: HeaderList; readonly body: Uint8Array | Readable },
  options: { replayed: boolean; applied: Preferences | null },
): Reply {
  const preference = options.applied === null ? null : formatPreferenceApplied(options.applied);
  // A service that keeps keys itself may have replayed its answer to us: the client is told that too.
  const said = headerValue(response.headers, "idempotent-replayed");
  const own = response.headers.filter(([name]) => name.toLowerCase() !== "idempotent-replayed");
  return {
    status: response.status,
    headers: [
      ...own,
      ...(preference === null ? [] : [[fields.preferenceApplied, preference] as HeaderLine]),
      ...processFields(record, options.replayed ? "store" : "service", options.replayed || said === "true"),
    ],
    body: response.body,
  };
}

/** The problem that a process without a stored answer ended with. @param record a terminal one */
export function endProblem(record: ProcessRecord, replayed: boolean): Problem {
  const id = processId(record);
  const headers = problemFields(record, replayed);
  if (record.expired) return expiredProblem(record, replayed);
  if (record.status === "cancelled") return cancelledProblem(record, replayed);
  const cause = problemOf(record);
  if (cause === null) {
    // The committed result can no longer be read.
    return new Problem("execution-lost", {
      processId: id,
      service: record.service,
      executed: "yes",
      headers,
    });
  }
  return new Problem(cause.slug, { ...cause.options, headers: { ...headers, ...retryHeader(cause) } });
}

/** 410. A tombstone still knows whether its work ran. */
export function expiredProblem(record: ProcessRecord, replayed: boolean): Problem {
  return new Problem("process-expired", {
    processId: processId(record),
    service: record.service,
    headers: problemFields(record, replayed),
    ...(record.executed === null ? {} : { executed: record.executed }),
  });
}

/** 409, with a Link to the process that took its place. */
export function cancelledProblem(record: ProcessRecord, replayed: boolean): Problem {
  const links = [{ target: processLinks(processId(record), "").self, rel: "status" }];
  if (record.supersededBy !== null) {
    const successor = formatProcessId({ ...record, epoch: record.supersededBy });
    links.push({ target: processLinks(successor, "").self, rel: "successor" });
  }
  return new Problem("process-cancelled", {
    processId: processId(record),
    service: record.service,
    headers: { ...problemFields(record, replayed), Link: formatLinks(links) },
    ...(record.executed === null ? {} : { executed: record.executed }),
    ...retryableOf(record), // as the process's own page says it
  });
}

/** 409 for a duplicate where the route says reject. */
export function inProgressProblem(record: ProcessRecord): Problem {
  const id = processId(record);
  return new Problem("request-in-progress", {
    processId: id,
    service: record.service,
    headers: {
      ...problemFields(record, false),
      [fields.retryAfter]: formatRetryAfter(retryIn(record)),
      Link: formatLinks([{ target: processLinks(id, "").self, rel: "status" }]),
    },
  });
}

/** 504 at the end of a client's wait; the work goes on and the same request joins it. */
export function waitEndedProblem(record: ProcessRecord): Problem {
  const id = processId(record);
  return new Problem("upstream-timeout", {
    processId: id,
    service: record.service,
    detail: "The process is still running; the same request joins it.",
    executed: "unknown",
    headers: {
      ...problemFields(record, false),
      [fields.retryAfter]: formatRetryAfter(retryIn(record)),
      Link: formatLinks([{ target: processLinks(id, "").self, rel: "status" }]),
    },
    proxyStatus: "http_response_timeout",
  });
}

/** The record of an awaited process is gone, and with it how the process ended. */
export function vanishedProblem(last: ProcessRecord): Problem {
  return new Problem("execution-lost", {
    processId: processId(last),
    service: last.service,
    detail: "The store has no record of the process any more.",
    executed: "unknown",
    headers: problemFields(last, false),
  });
}

export function problemFields(record: ProcessRecord, replayed: boolean): Record<string, string> {
  return Object.fromEntries(processFields(record, "gateway", replayed));
}

/** How long a client should wait before it polls again; ms, 0 once the process has ended. */
export function retryIn(record: ProcessRecord): number {
  return isTerminal(record.status) ? 0 : pollMs;
}

function retryHeader(problem: Problem): Record<string, string> {
  return problem.status === 503 || problem.status === 429
    ? { [fields.retryAfter]: formatRetryAfter(pollMs) }
    : {};
}

/** A stored response, or null when the record has none to give. */
export function storedResult(record: ProcessRecord, result: StoredResponse | null): StoredResponse | null {
  return record.resultPayload === null || record.expired ? null : result;
}
