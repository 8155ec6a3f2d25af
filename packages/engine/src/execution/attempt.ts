/** One dispatch to the service, and what its outcome means for the process. */
import { type Pointer, pointerValue, parseJsonStrict } from "@sticky-proxy/protocol/json";
import { givesKey, headerValue, type HeaderLine, type StoredResponse } from "@sticky-proxy/core/http";
import {
  idText,
  meaningOf,
  processId,
  resultId,
  storedHeaders,
  type ProcessEvent,
  type ProcessRecord,
  type StoredRequest,
} from "@sticky-proxy/core/process";
import type { Processes } from "../process/processes.ts";
import {
  executionUrl,
  formatIdempotencyKey,
  parseRetryAfter,
  type ProblemSlug,
} from "@sticky-proxy/protocol";
import { collectBody, type Forwarder } from "@sticky-proxy/upstream";
import type { Execution, Run } from "./execution.ts";
import { injectCallback } from "../reports/inject-callback.ts";

/** What one attempt brought: the event to commit, and what goes with it. */
export interface Attempt {
  readonly event: ProcessEvent;
  readonly result: StoredResponse | null;
  readonly live: Run["live"];
  readonly sawAnswer: boolean;
  readonly pauseMs: number | null;
}

export interface AttemptDeps {
  readonly processes: Processes;
  readonly forwarder: Forwarder;
  /** Base of callback URLs, without a slash at its end. */
  readonly publicUrl: () => string;
  readonly tokenOf: (id: string, attempt: number) => string;
}

/** @returns a function that sends one attempt and never rejects for trouble upstream; `lostLease` ends it. */
export function createAttempts({ processes, forwarder, publicUrl, tokenOf }: AttemptDeps) {
  /** The index entry for a service's own job ids is written before the process counts as accepted. */
  async function correlate(
    execution: Execution,
    record: ProcessRecord,
    response: StoredResponse,
  ): Promise<string | null> {
    const { callback } = execution.rules.policy;
    const pointer: Pointer | null = callback.correlate?.response ?? callback.accept?.jobId?.response ?? null;
    if (pointer === null) return null;
    const jobId = idText(pointerValue(parseJson(response.body), pointer));
    if (jobId !== null && callback.correlate !== null) {
      const keepMs = execution.rules.policy.deadlineMs ?? 24 * 3_600_000;
      await processes.store.correlate(
        record.service,
        jobId,
        record,
        keepMs + execution.rules.policy.resultTtlMs,
      );
    }
    return jobId;
  }

  return async function attempt(
    execution: Execution,
    record: ProcessRecord,
    lostLease: AbortSignal,
  ): Promise<Attempt> {
    const { service, route, rules, request } = execution;
    const id = processId(record);
    const token = tokenOf(id, record.attempt);
    const deadline = new AbortController();
    const untilDeadline = record.deadlineAt === null ? null : record.deadlineAt - processes.now();
    const timer =
      untilDeadline === null
        ? null
        : setTimeout(() => deadline.abort(), Math.max(0, Math.min(untilDeadline, 2 ** 31 - 1)));
    try {
      const callbackUrl = executionUrl(id, "complete", publicUrl());
      const injected = injectCallback(
        rules.policy.callback.inject,
        request,
        `${callbackUrl}?sticky=${token}`,
      );
      const outcome = await forwarder.forward({
        service,
        route,
        head: injected.head,
        set: [...ownFields(record, request, id, token), ...injected.set, ...execution.extra],
        body: injected.body,
        bodyLength: injected.body.length,
        client: execution.client,
        // One fence, at most one start at the service: sending again is the process's decision, with a new fence.
        resend: false,
        // A composed signal costs several microseconds, so only where there are two.
        signal: timer === null ? lostLease : AbortSignal.any([lostLease, deadline.signal]),
        ...(execution.onInformational === undefined ? {} : { onInformational: execution.onInformational }),
      });
      if (outcome.kind === "failed") return failed(record, outcome, deadline.signal.aborted);
      const collected = await collectBody(outcome.body, rules.policy.maxResultBytes, {
        instance: outcome.instance,
      });
      if (collected.kind === "failed") return failed(record, collected, deadline.signal.aborted);
      const { status, headers } = outcome;
      const retryAfter = headerValue(headers, "retry-after");
      const retryAfterMs = retryAfter === null ? null : parseRetryAfter(retryAfter, processes.now());
      const pauseMs =
        retryAfterMs !== null && rules.policy.notExecutedStatuses.includes(status)
          ? Math.min(retryAfterMs, 60_000)
          : null;
      if (collected.kind === "too-large") {
        collected.rest.unshift(collected.head);
        return {
          event: { type: "responded", attempt: record.attempt, status, result: null, retryAfterMs },
          result: null,
          live: { status, headers, body: collected.rest },
          sawAnswer: true,
          pauseMs,
        };
      }
      const response: StoredResponse = {
        status,
        headers: storedHeaders(headers, rules.policy.storedHeaders),
        body: collected.body,
      };
      const meaning = meaningOf(
        rules.policy,
        outcome,
        outcome.own.sticky.get("sticky-execution") ?? null,
        token,
      );
      if (meaning.kind !== "result") {
        const jobId = await correlate(execution, record, response);
        const pollUrl = meaning.kind === "poll" ? meaning.pollUrl : null;
        const pollInMs = pollUrl === null ? null : (retryAfterMs ?? rules.policy.pollLocation?.minMs ?? 1000);
        return {
          event: { type: "accepted", attempt: record.attempt, status, jobId, pollUrl, pollInMs },
          result: null,
          live: null,
          sawAnswer: true,
          pauseMs,
        };
      }
      return {
        event: {
          type: "responded",
          attempt: record.attempt,
          status,
          result: { id: resultId(response), response },
          retryAfterMs,
          // RFC 8470 5.2: only who sent it in early data knows when that is over.
          ...(status === 425 && headerValue(injected.head.headers, "early-data") !== null
            ? { isClients: true as const }
            : {}),
        },
        result: response,
        live: null,
        sawAnswer: true,
        pauseMs,
      };
    } finally {
      if (timer !== null) clearTimeout(timer);
    }
  };
}

function failed(
  record: ProcessRecord,
  outcome: {
    executed: "no" | "unknown";
    slug: ProblemSlug;
    proxyStatus: string;
  },
  deadlinePassed: boolean,
): Attempt {
  const timeout = deadlinePassed || outcome.slug === "upstream-timeout";
  return {
    event: {
      type: "failed",
      attempt: record.attempt,
      executed: outcome.executed,
      unknown: timeout ? "timeout" : "cut",
      slug: deadlinePassed ? "deadline-exceeded" : outcome.slug,
      reason: outcome.proxyStatus,
      retryAfterMs: null,
    },
    result: null,
    live: null,
    sawAnswer: false,
    pauseMs: null,
  };
}

/** API.md, "Sent to the service". */
function ownFields(record: ProcessRecord, request: StoredRequest, id: string, token: string): HeaderLine[] {
  // A client's key that decides nothing here goes to the service as it came.
  const own = request.key ?? (givesKey(request.head.headers) ? null : id);
  const lines: HeaderLine[] = [
    ...(own === null ? [] : [["Idempotency-Key", formatIdempotencyKey(own)] as const]),
    ["Sticky-Process-Id", id],
    ["Sticky-Attempt", String(record.attempt)],
    ["Sticky-Fence", String(record.fence)],
    ["Sticky-Execution", token],
  ];
  if (record.deadlineAt !== null) lines.push(["Sticky-Deadline", new Date(record.deadlineAt).toISOString()]);
  return lines;
}

function parseJson(body: Uint8Array): unknown {
  try {
    return parseJsonStrict(body);
  } catch {
    return undefined;
  }
}
