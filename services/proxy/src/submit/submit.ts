/**
 * A request that belongs to a process: begin, run what we started, hold the client, answer with what was committed.
 * The execution is detached from the client: a client that leaves never cancels the others' process.
 */
import type { KeyObject } from "node:crypto";
import {
  processId,
  isTerminal,
  StoreUnavailable,
  type ProcessRecord,
  type StoredRequest,
} from "@sticky-proxy/core/process";
import { ownerToken, partitionOf, type Claim } from "@sticky-proxy/core/idempotency";
import { requestToCopy } from "@sticky-proxy/core/mirror";
import {
  waitFor,
  type Begun,
  type Processes,
  type WaitDeps,
  type Executor,
  type Pacing,
  type Run,
  readableFor,
} from "@sticky-proxy/engine";
import type { HeaderList, RequestHead, StoredResponse } from "@sticky-proxy/core/http";
import type { Route, Service } from "@sticky-proxy/core/registry";
import type { ForwardRequest } from "@sticky-proxy/upstream";
import {
  acceptedReply,
  cancelledProblem,
  endProblem,
  holdEndedProblem,
  inProgressProblem,
  problemFields,
  resultReply,
  storedResult,
  vanishedProblem,
} from "./process-reply.ts";
import type { Reply } from "../reply.ts";
import { identityOf } from "./identity.ts";
import { atOnce, takePlace } from "./take-place.ts";
import type { Waiters } from "./waiters.ts";
import type { Wishes } from "./wishes.ts";
import { fields, Problem } from "@sticky-proxy/protocol";

export interface SubmitDeps {
  readonly processes: Processes;
  readonly executor: Executor;
  readonly waiting: WaitDeps;
  readonly waiters: Waiters;
  readonly pacing: Pacing;
  /** Tells the service that work which had to move aside is not wanted any more; never rejects. */
  readonly tellCancelled: (record: ProcessRecord) => void;
  /** Keys the scopes and credential digests; shared by all replicas. */
  readonly secret: KeyObject;
  readonly newId: () => string;
  readonly onVerdict: (service: string, verdict: Begun["verdict"] | "bypass") => void;
  readonly onWait: (
    service: string,
    outcome: "answered" | "timeout" | "client_gone" | "draining",
    ms: number,
  ) => void;
  /** An execution ended in a way nobody was waiting for. */
  readonly onFailure: (what: string, error: unknown) => void;
  /** Aborts when the node drains: held clients that may be told 202 are told so. */
  readonly draining: AbortSignal;
  /** Aborts shortly before the node cuts its connections: the others are told what is known. */
  readonly closing: AbortSignal;
}

export interface Submission {
  readonly service: Service;
  readonly route: Route;
  readonly tenant: string;
  readonly wishes: Wishes;
  readonly head: RequestHead;
  readonly body: Uint8Array;
  readonly extra: HeaderList;
  readonly traceparent: string | null;
  readonly client: ForwardRequest["client"];
  /** Aborts when the client is gone. */
  readonly gone: AbortSignal;
  readonly onInformational?: ForwardRequest["onInformational"];
  /** Told which process it is, before the client is held. */
  readonly onBegun: (record: ProcessRecord, verdict: Begun["verdict"]) => void;
}

/** A request joins this many processes that turn out never to have been sent before it gives up. */
const maxJoins = 3;

/** @throws Problem */
export async function submit(deps: SubmitDeps, submission: Submission): Promise<Reply> {
  let begun: Begun | null = null;
  try {
    for (let again = 0; again < maxJoins; again += 1) {
      begun = null;
      begun = await begin(deps, submission);
      submission.onBegun(begun.record, begun.verdict);
      const reply = await serve(deps, submission, begun);
      if (reply !== null) return withOwner(deps, begun, reply);
    }
    throw new StoreUnavailable("every process it joined was given back unsent");
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw named(deps, error, begun);
    // Fail closed: before the begin nothing was sent; after it nobody knows.
    throw new Problem("store-unavailable", {
      service: submission.service.name,
      executed: begun === null && !mayBeSentLater(deps, error, submission) ? "no" : "unknown",
      headers: { ...(begun === null ? {} : problemFields(begun.record, false)), "Retry-After": "1" },
      cause: error,
    });
  }
}

/** A problem that its thrower knew no process fields for gets them here. */
function named(deps: SubmitDeps, error: unknown, begun: Begun | null): unknown {
  if (!(error instanceof Problem) || begun === null || begun.verdict === "mismatch") return error;
  const { options } = error;
  const isNamed = options.headers?.[fields.stickyProcessId] !== undefined;
  if (isNamed && begun.verdict !== "start") return error;
  return new Problem(error.slug, {
    ...options,
    headers: { ...problemFields(begun.record, false), ...options.headers, ...ownerFields(deps, begun) },
  });
}

/** The submission's own reply, and no other, brings the token that lets its client cancel, run again and forget. */
function withOwner(deps: SubmitDeps, begun: Begun, reply: Reply): Reply {
  const lines = Object.entries(ownerFields(deps, begun));
  return lines.length === 0 ? reply : { ...reply, headers: [...reply.headers, ...lines] };
}

function ownerFields({ secret }: SubmitDeps, { verdict, record }: Begun): Record<string, string> {
  if (verdict !== "start" || record.identity === "none") return {};
  return { [fields.stickyOwner]: ownerToken(secret, processId(record)) };
}

async function begin(deps: SubmitDeps, submission: Submission): Promise<Begun> {
  const { processes } = deps;
  const { service, route, wishes } = submission;
  const { policy } = wishes.rules;
  const claim = identityOf(deps, submission);
  const request = requestOf(submission);
  const partition = partitionOf(claim.scope, processes.store.partitions);
  const asked: Claim = {
    fingerprint: claim.fingerprint,
    credential: claim.credential,
    force: wishes.force,
    onDuplicate: wishes.onDuplicate,
  };
  const place = wishes.isPlain
    ? atOnce // as without a copy: a service's pause is kept by what the gateway itself sends again
    : await takePlace(deps, service, { partition, scope: claim.scope, claim: asked, policy });
  const begun: Begun = await processes.begin({
    scope: claim.scope,
    partition,
    tenant: submission.tenant,
    service: service.name,
    route: route.name,
    operation: `${submission.head.method} ${submission.head.path}`,
    rules: wishes.rules,
    claim: asked,
    deadlineMs: wishes.deadlineMs,
    notify: wishes.notify,
    traceparent: submission.traceparent,
    mirror: isMirrored(route),
    pausedMs: place.pausedMs,
    // What waits longer than its owner may is sent by a sweeper, from the store.
    request:
      place.pausedMs > 0 || keepsRequest(submission)
        ? request
        : isMirrored(route)
          ? requestToCopy(request, route.mirror!, service.credential)
          : null,
  });
  if (begun.verdict !== "start") place.release();
  else if (begun.superseded !== null && !isTerminal(begun.superseded.status))
    deps.tellCancelled(begun.superseded);
  deps.onVerdict(service.name, begun.verdict);
  return begun;
}

/** Whether its service may be sent or asked something with it again: an attempt, a poll, a probe, a re-run. */
function keepsRequest({ wishes: { rules } }: Submission): boolean {
  const { policy, retries } = rules;
  const unknown = Object.values(policy.onUnknown);
  return (
    retries.attempts > 1 ||
    unknown.includes("retry") ||
    unknown.includes("probe") ||
    policy.pollLocation !== null ||
    policy.keepRequest
  );
}

/** A claim without an answer is released as soon as the store answers; if this node dies before, the alarm may send it. */
function mayBeSentLater({ pacing }: SubmitDeps, error: StoreUnavailable, submission: Submission): boolean {
  const isKept = keepsRequest(submission) || pacing.pausedMs(submission.service.name) > 0;
  return error.mayHaveStarted && isKept;
}

function requestOf({ head, wishes, body }: Submission): StoredRequest {
  return { head, key: wishes.key, body };
}

/** null: what it joined was never sent, so the request is to begin again. */
function serve(deps: SubmitDeps, submission: Submission, begun: Begun): Promise<Reply | null> | Reply {
  const { service, route, wishes } = submission;
  switch (begun.verdict) {
    case "start": {
      const run = deps.executor.run({
        record: begun.record,
        service,
        route,
        rules: wishes.rules,
        request: requestOf(submission),
        extra: submission.extra,
        client: submission.client,
        ...(submission.onInformational === undefined ? {} : { onInformational: submission.onInformational }),
      });
      return hold(deps, submission, begun.record, run);
    }
    case "join":
      return hold(deps, submission, begun.record, null);
    case "replay":
      return answer(submission, begun.record, begun.result, true);
    case "conflict":
      throw begun.slug === "process-cancelled"
        ? cancelledProblem(begun.record, true)
        : inProgressProblem(begun.record);
    case "mismatch":
      throw new Problem("idempotency-key-reused", { service: service.name });
  }
}

export function isMirrored(route: Route): boolean {
  return route.mirror !== null && route.mirror.mode === "dual-write";
}

/** As long as the route and the client want, or not at all while this node holds as many clients as it may. */
async function hold(
  deps: SubmitDeps,
  submission: Submission,
  record: ProcessRecord,
  run: Promise<Run> | null,
): Promise<Reply | null> {
  const { service, wishes } = submission;
  if (wishes.isPlain) return held(deps, submission, record, run);
  const release = wishes.holdMs > 0 ? deps.waiters.hold(service.name) : null;
  if (release === null) {
    const asked =
      wishes.holdMs > 0 ? { ...submission, wishes: { ...wishes, holdMs: 0, applied: null } } : submission;
    return held(deps, asked, record, run);
  }
  try {
    return await held(deps, submission, record, run);
  } finally {
    release();
  }
}

/**
 * Holds the client until the process has ended, the hold is over, the client is gone or the node drains.
 * `run` is the execution that this request started; null: somebody else's. Returns null for a request that joined a
 * process whose node gave it back unsent: nothing has run, so it need not hear of a failure.
 */
async function held(
  deps: SubmitDeps,
  submission: Submission,
  record: ProcessRecord,
  run: Promise<Run> | null,
): Promise<Reply | null> {
  const { waiting } = deps;
  const { wishes, gone, service } = submission;
  const startedAt = waiting.clock.monotonic();
  const draining = wishes.onWaitEnd === "accepted" ? deps.draining : deps.closing;
  const stop = AbortSignal.any([gone, draining]);
  const replayed = run === null;
  let latest: ProcessRecord = record;

  if (run !== null) {
    const first = await firstOf(run, wishes.holdMs, stop, deps).catch((error: unknown) => {
      if (!(error instanceof StoreUnavailable)) throw error;
      deps.onFailure("execution", error); // nothing is out: its alarm rings, and the client waits for what comes of it
      return null;
    });
    if (first !== null) {
      latest = first.record;
      if (first.live !== null) {
        if (!gone.aborted)
          return resultReply(latest, first.live, { replayed: false, applied: wishes.applied });
        first.live.body.destroy();
      }
      if (isTerminal(latest.status) && first.result !== null) {
        deps.onWait(service.name, "answered", waiting.clock.monotonic() - startedAt);
        return resultReply(latest, first.result, { replayed: false, applied: wishes.applied });
      }
    }
  }

  // Nobody here is at it any more: who has a plain proxy's patience waits as long again as for the service.
  const left = wishes.isPlain
    ? service.timeouts.firstByteMs
    : wishes.holdMs - (waiting.clock.monotonic() - startedAt);
  const mustRead = left > 0 && !stop.aborted;
  if (mustRead || isTerminal(latest.status)) {
    const snapshot = await waitFor(
      waiting,
      record,
      ({ record: now }) => now === null || isTerminal(now.status),
      { timeoutMs: left, signal: stop, withResult: true },
    );
    if (snapshot.record === null) throw vanishedProblem(latest);
    latest = snapshot.record;
    if (run === null && isNeverSent(latest)) return null;
    if (isTerminal(latest.status)) {
      deps.onWait(service.name, "answered", waiting.clock.monotonic() - startedAt);
      // A callback's result is first-hand for the client that started the process.
      return answer(submission, latest, snapshot.result, replayed);
    }
  }
  if (gone.aborted) deps.onWait(service.name, "client_gone", waiting.clock.monotonic() - startedAt);
  else if (draining.aborted) deps.onWait(service.name, "draining", waiting.clock.monotonic() - startedAt);
  else if (wishes.holdMs > 0) deps.onWait(service.name, "timeout", waiting.clock.monotonic() - startedAt);
  if (wishes.onWaitEnd === "timeout" && !draining.aborted) throw holdEndedProblem(latest);
  if (wishes.onWaitEnd === "timeout") {
    throw new Problem("draining", {
      service: service.name,
      executed: "unknown",
      headers: { ...problemFields(latest, false), "Retry-After": "1" },
    });
  }
  return acceptedReply(latest, wishes.applied, run === null);
}

/** Given back by the node that claimed it, because the store gave no answer in time: "store-unavailable" means nothing else. */
function isNeverSent({ status, executed, released, problem }: ProcessRecord): boolean {
  return status === "failed" && executed === "no" && released && problem === "store-unavailable";
}

/** The run if it ends within the hold, else null; a run that nobody waits for any more is still looked after. */
async function firstOf(
  run: Promise<Run>,
  ms: number,
  stop: AbortSignal,
  deps: SubmitDeps,
): Promise<Run | null> {
  let abandoned = false;
  const watched = run.then((ended) => {
    if (abandoned) ended.live?.body.destroy();
    return ended;
  });
  watched.catch((error: unknown) => {
    if (abandoned) deps.onFailure("execution", error);
  });
  if (ms <= 0) {
    abandoned = true;
    return null;
  }
  const over = new AbortController();
  try {
    const ended = await Promise.race([
      watched,
      deps.waiting.sleep(ms, AbortSignal.any([stop, over.signal])).then(() => null),
    ]);
    if (ended === null) abandoned = true;
    return ended;
  } finally {
    over.abort("over"); // a reason of our own: the default one is an exception with a stack
  }
}

function answer(
  submission: Submission,
  record: ProcessRecord,
  result: StoredResponse | null,
  replayed: boolean,
): Reply {
  const stored = storedResult(record, result);
  if (stored === null) throw endProblem(record, replayed);
  const readable = readableFor(submission.head.headers, stored);
  return resultReply(record, readable, { replayed, applied: submission.wishes.applied });
}
