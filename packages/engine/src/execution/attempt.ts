/** One dispatch to the service, and what its outcome means for the process. */
import type { Pointer } from "@sticky-proxy/protocol/json";
import { headerValue, keyLine, type HeaderLine, type StoredResponse } from "@sticky-proxy/core/http";
import {
  holdersWith,
  idText,
  meaningOf,
  processId,
  resultId,
  storedHeaders,
  type EarlyReport,
  StoreUnavailable,
  type AttemptRef,
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
import { callerOf } from "./pacing.ts";
import { injectCallback } from "../reports/inject-callback.ts";
import { firstPoll } from "../reports/poll.ts";
import { readReport, saysFailure } from "../reports/read-report.ts";

/** What one attempt brought: the event to commit, and what goes with it. */
export interface Attempt {
  readonly event: ProcessEvent;
  readonly result: StoredResponse | null;
  readonly live: Run["live"];
  readonly sawAnswer: boolean;
  /** Whom the service's answer pauses, caller null: itself, for all; null: nobody. */
  readonly pause: { readonly caller: string | null; readonly ms: number } | null;
  /** Instances that another attempt should not ask at once. */
  readonly avoid?: ReadonlySet<string>;
}

export interface AttemptDeps {
  readonly processes: Processes;
  readonly forwarder: Forwarder;
  /** Base of callback URLs, without a slash at its end. */
  readonly publicUrl: () => string;
  readonly tokenOf: (id: string, attempt: number) => string;
}

export type SendAttempt = (
  execution: Execution,
  record: ProcessRecord,
  lostLease: AbortSignal,
) => Promise<Attempt>;

/** @returns a function that sends one attempt and never rejects for trouble upstream; `lostLease` ends it. */
export function createAttempts(deps: AttemptDeps): SendAttempt {
  return async function sendAttempt(execution, record, lostLease) {
    const { processes } = deps;
    const deadline = new AbortController();
    const untilDeadline = record.deadlineAt === null ? null : record.deadlineAt - processes.now();
    const timer =
      untilDeadline === null
        ? null
        : setTimeout(() => deadline.abort(), Math.max(0, Math.min(untilDeadline, 2 ** 31 - 1)));
    // A composed signal costs several microseconds, so only where there are two.
    const signal = timer === null ? lostLease : AbortSignal.any([lostLease, deadline.signal]);
    try {
      const token = deps.tokenOf(processId(record), record.attempt);
      const outcome = await forwarded(deps, execution, record, token, signal);
      if (outcome.kind === "failed")
        return at(outcome.instance, failed(record, outcome, deadline.signal.aborted));
      const collected = await collectBody(outcome.body, execution.rules.policy.maxResultBytes, {
        instance: outcome.instance,
      });
      if (collected.kind === "failed")
        return at(outcome.instance, failed(record, collected, deadline.signal.aborted));
      return at(outcome.instance, await answered(deps, execution, record, token, outcome, collected));
    } finally {
      if (timer !== null) clearTimeout(timer);
    }
  };
}

/** Says where the attempt went, for operators. */
function at(instance: { readonly name: string } | null, attempt: Attempt): Attempt {
  const { event } = attempt;
  const isOwn = event.type === "responded" || event.type === "accepted" || event.type === "failed";
  return instance === null || !isOwn ? attempt : { ...attempt, event: { ...event, instance: instance.name } };
}

function forwarded(
  { forwarder, publicUrl }: AttemptDeps,
  execution: Execution,
  record: ProcessRecord,
  token: string,
  signal: AbortSignal,
): Promise<Outcome> {
  const { service, route, rules, request } = execution;
  const id = processId(record);
  const callbackUrl = `${executionUrl(id, "complete", publicUrl())}?sticky=${token}`;
  const injected = injectCallback(rules.policy.callback.inject, request, callbackUrl);
  return forwarder.forward({
    service,
    route,
    head: injected.head,
    set: [
      ...ownFields(record, request, id, token),
      ...(isRead(rules.policy) ? [["Accept-Encoding", "identity"] as const] : []),
      ...injected.set,
      ...execution.extra,
    ],
    body: injected.body,
    bodyLength: injected.body.length,
    client: execution.client,
    // One fence, at most one start at the service: sending again is the process's decision, with a new fence.
    resend: false,
    signal,
    seen: execution.seen ?? null,
    ...(execution.avoid === undefined ? {} : { avoid: execution.avoid }),
    ...(execution.onInformational === undefined ? {} : { onInformational: execution.onInformational }),
  });
}

/** Whether the gateway itself reads the service's answer: it asks for it without a coding then. */
function isRead({ callback, pollLocation, failedWhen }: Execution["rules"]["policy"]): boolean {
  return (
    callback.correlate !== null ||
    callback.accept?.jobId != null ||
    pollLocation !== null ||
    failedWhen !== null
  );
}

type Outcome = Awaited<ReturnType<Forwarder["forward"]>>;
type Collected = Exclude<Awaited<ReturnType<typeof collectBody>>, { kind: "failed" }>;

/** What a complete answer means: the result, one that is too large to be kept, an acknowledgement. */
async function answered(
  deps: AttemptDeps,
  execution: Execution,
  record: ProcessRecord,
  token: string,
  outcome: Exclude<Outcome, { kind: "failed" }>,
  collected: Collected,
): Promise<Attempt> {
  const { policy } = execution.rules;
  const { status, headers } = outcome;
  const { attempt } = record;
  const retryAfter = headerValue(headers, "retry-after");
  const saidMs = retryAfter === null ? null : parseRetryAfter(retryAfter, deps.processes.now());
  const isPause = saidMs !== null && policy.notExecutedStatuses.includes(status);
  const { retryAfterMs, ...paced } = isPause
    ? pauseOf(execution, record, outcome, saidMs)
    : { retryAfterMs: saidMs, pause: null };
  const seen = { result: null, live: null, sawAnswer: true, ...paced };
  if (collected.kind === "too-large") {
    collected.rest.unshift(collected.head);
    return {
      ...seen,
      event: { type: "responded", attempt, status, result: null, retryAfterMs },
      live: { status, headers, body: collected.rest },
    };
  }
  const response: StoredResponse = {
    status,
    headers: storedHeaders(headers, policy.storedHeaders),
    body: collected.body,
  };
  const meaning = meaningOf(policy, outcome, outcome.own.sticky.get("sticky-execution") ?? null, token);
  if (meaning.kind !== "result") {
    const job = await holdJob(deps, execution, record, response);
    if (job.kind === "taken") return { ...seen, event: idTaken(attempt) };
    const jobId = job.id;
    const pollUrl = meaning.kind === "poll" ? meaning.pollUrl : null;
    if (pollUrl === null && jobId === null && !canReport(policy, outcome, token))
      return { ...seen, event: { ...unmatchable, attempt, retryAfterMs } };
    const early = jobId === null ? null : await earlyReport(deps, execution, jobId);
    if (early !== null)
      return { ...seen, event: { ...early, attempt }, result: early.result?.response ?? null };
    const { pollLocation } = policy;
    const pollInMs = pollUrl === null || pollLocation === null ? null : firstPoll(pollLocation, retryAfterMs);
    return { ...seen, event: { type: "accepted", attempt, status, jobId, pollUrl, pollInMs } };
  }
  const result = { id: resultId(response), response };
  // RFC 8470 5.2: only who sent it in early data knows when that is over.
  const isClients = status === 425 && headerValue(execution.request.head.headers, "early-data") !== null;
  return {
    ...seen,
    event: {
      type: "responded",
      attempt,
      status,
      result,
      retryAfterMs,
      ...(isClients ? { isClients: true as const } : {}),
      ...(saysFailure(policy, response) ? { isFailure: true as const } : {}),
    },
    result: response,
  };
}

/**
 * Whom a Retry-After is meant for, and when this process may try again. A 429 is about its caller (RFC 6585 4). A 503
 * is about the instance, and only when none is left without one about the service: until then the process asks another
 * instance, or this one on a new connection if it has an attempt left after that one.
 */
function pauseOf(
  { service, rules }: Execution,
  record: ProcessRecord,
  { status, refusal, instance }: Exclude<Outcome, { kind: "failed" }>,
  saidMs: number,
): Pick<Attempt, "pause" | "avoid"> & { readonly retryAfterMs: number } {
  if (service.paceBy === "service") return { pause: { caller: null, ms: saidMs }, retryAfterMs: saidMs };
  if (status !== 503 || refusal === null)
    return { pause: { caller: callerOf(record), ms: saidMs }, retryAfterMs: saidMs };
  if (refusal.kind === "others") {
    return { pause: null, retryAfterMs: 0, avoid: new Set([instance.name]) };
  }
  if (refusal.kind === "again") {
    const isWorthIt = record.attempt + 1 < rules.retries.attempts;
    return { pause: null, retryAfterMs: isWorthIt ? 0 : saidMs };
  }
  const retryAfterMs = service.instances.length === 1 ? saidMs : Math.min(saidMs, refusal.ms);
  return { pause: { caller: null, ms: refusal.ms }, retryAfterMs };
}

/** The service took the work, and no webhook of it can be matched: waiting for one would only hide that. */
const unmatchable = {
  type: "failed",
  executed: "unknown",
  unknown: "answered",
  slug: "upstream-invalid-response",
  reason: "no-job-id",
} as const;

/** Whether a report can find its process without a job id: by an address of its own, or by the execution token. */
function canReport(
  { callback: { correlate, inject } }: Execution["rules"]["policy"],
  { own }: Exclude<Outcome, { kind: "failed" }>,
  token: string,
): boolean {
  const isInjected = inject.query !== null || inject.json !== null || inject.header !== null;
  return correlate === null || isInjected || own.sticky.get("sticky-execution") === token;
}

/** The report that came before this answer, to whatever replica; its process ends by it. */
function earlyReport(
  { processes }: AttemptDeps,
  { rules, record }: Execution,
  jobId: string,
): Promise<EarlyReport | null> {
  if (rules.policy.callback.correlate === null) return Promise.resolve(null);
  return processes.store.takeEarly(record.service, jobId);
}

type Job = { readonly kind: "held"; readonly id: string | null } | { readonly kind: "taken" };

/** How often two processes may get in each other's way before the store counts as unavailable. */
const maxTries = 20;

/**
 * The service's own id of the job; the index entry for it is written before the process counts as accepted.
 * taken: a running process of another owner holds it, and its report must not end this one.
 * @throws StoreUnavailable
 */
async function holdJob(
  { processes }: AttemptDeps,
  { rules }: Execution,
  record: ProcessRecord,
  response: StoredResponse,
): Promise<Job> {
  const { callback, deadlineMs, resultTtlMs } = rules.policy;
  const pointer: Pointer | null = callback.correlate?.response ?? callback.accept?.jobId?.response ?? null;
  if (pointer === null) return { kind: "held", id: null };
  const jobId = idText(readReport(response.headers, response.body)?.at(pointer));
  if (jobId === null || callback.correlate === null) return { kind: "held", id: jobId };
  const { store } = processes;
  const keepMs = (deadlineMs ?? 24 * 3_600_000) + resultTtlMs;
  let held: readonly AttemptRef[] = []; // nobody, nearly always: one trip
  for (let tries = 0; tries < maxTries; tries += 1) {
    const holders = await Promise.all(
      held.map(async (ref) => ({ ref, record: (await processes.read(ref, { withResult: false })).record })),
    );
    const next = holdersWith(holders, record);
    if (next === null) return { kind: "taken" };
    if (await store.holdJob(record.service, jobId, next, held, keepMs)) return { kind: "held", id: jobId };
    held = await store.jobHolders(record.service, jobId);
  }
  throw new StoreUnavailable("the holders of a job id keep changing");
}

/** The service may have done the work, or handed out another client's. */
function idTaken(attempt: number): ProcessEvent {
  return {
    type: "failed",
    attempt,
    executed: "unknown",
    unknown: "cut",
    slug: "upstream-invalid-response",
    reason: "job_id_taken",
    retryAfterMs: null,
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
    pause: null,
  };
}

/** API.md, "Sent to the service". */
function ownFields(record: ProcessRecord, request: StoredRequest, id: string, token: string): HeaderLine[] {
  const { headers } = request.head;
  const key = keyLine(headers, request.key, formatIdempotencyKey(request.key ?? id));
  const lines: HeaderLine[] = [
    ...(key === null ? [] : [key]),
    ["Sticky-Process-Id", id],
    ["Sticky-Attempt", String(record.attempt)],
    ["Sticky-Fence", String(record.fence)],
    ["Sticky-Execution", token],
  ];
  if (record.deadlineAt !== null) lines.push(["Sticky-Deadline", new Date(record.deadlineAt).toISOString()]);
  return lines;
}
