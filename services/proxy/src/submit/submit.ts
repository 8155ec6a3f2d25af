/**
 * Submits a request that belongs to a process: begins or joins the process, runs what this request started, awaits the
 * result and answers with what was committed. The execution is detached from the client: a client that leaves never
 * cancels the process of the others.
 */
import { processId, isTerminal, StoreUnavailable, type ProcessRecord } from "@sticky-proxy/core/process";
import { holdsScope, partitionOf, type Claim } from "@sticky-proxy/core/idempotency";
import { ownerToken } from "@sticky-proxy/core/principal";
import { requestToCopy } from "@sticky-proxy/core/mirror";
import { callerOf, type Begun } from "@sticky-proxy/engine";
import { fields, Problem, type Scope } from "@sticky-proxy/protocol";
import type { Reply } from "../reply.ts";
import { awaitResult, storedReply } from "./await-result.ts";
import { identityOf, type FormerPlace, type Identified } from "./identity.ts";
import { cancelledProblem, inProgressProblem, problemFields } from "./process-reply.ts";
import { noSlot, reserveQueueSlot } from "./queue-slot.ts";
import {
  holderOf,
  isMirrored,
  keepsRequest,
  requestOf,
  type Submission,
  type SubmitDeps,
} from "./submission.ts";

/** A request begins this often: each time it joined a process that was given back unsent. */
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
    if (!(error instanceof StoreUnavailable)) throw withProcess(deps, error, begun);
    // Fail closed: before the process began nothing was sent; afterwards it is unknown.
    throw new Problem("store-unavailable", {
      service: submission.service.name,
      executed:
        begun === null && !error.isUnsettled && !mayBeSentLater(deps, error, submission) ? "no" : "unknown",
      headers: { ...(begun === null ? {} : problemFields(begun.record, false)), "Retry-After": "1" },
      cause: error,
    });
  }
}

/** Adds the process headers to a Problem thrown where the process was not in scope. */
function withProcess(deps: SubmitDeps, error: unknown, begun: Begun | null): unknown {
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

function ownerFields({ tokens }: SubmitDeps, { verdict, record }: Begun): Record<string, string> {
  if (verdict !== "start" || record.identity === "none") return {};
  return { [fields.stickyOwner]: ownerToken(tokens.mint, processId(record)) };
}

async function begin(deps: SubmitDeps, submission: Submission): Promise<Begun> {
  const { processes } = deps;
  const { service, route, options } = submission;
  const { policy } = options.rules;
  const identified = identityOf(deps, submission);
  const request = requestOf(submission);
  const isCopied = mayBeCopied(deps, submission);
  const { scope, partition, compared } = await placeOf(deps, identified);
  const asked: Claim = {
    ...compared,
    force: options.force,
    onDuplicate: options.onDuplicate,
  };
  const slot = options.isPlain
    ? noSlot // a pause delays only what the gateway queues; a plain request goes out at once
    : await reserveQueueSlot(deps, service, {
        partition,
        scope,
        claim: asked,
        holder: holderOf(submission),
        policy,
      });
  const begun: Begun = await processes.begin({
    scope,
    partition,
    principal: submission.principal.subject,
    service: service.name,
    route: route.name,
    operation: `${submission.head.method} ${submission.head.path}`,
    rules: options.rules,
    claim: asked,
    holder: holderOf(submission),
    deadlineMs: options.deadlineMs,
    notify: options.notify,
    traceparent: submission.traceparent,
    mirror: isCopied,
    pausedMs: slot.pausedMs,
    // A dispatch that is delayed beyond this node's lease is made by a sweeper, from the stored request.
    request:
      slot.pausedMs > 0 || keepsRequest(submission)
        ? request
        : isCopied
          ? requestToCopy(request, route.mirror!, service.credential)
          : null,
  });
  if (begun.verdict !== "start") slot.release();
  else if (begun.superseded !== null && !isTerminal(begun.superseded.status))
    deps.tellCancelled(begun.superseded);
  if (begun.verdict === "start" && isMirrored(route) && !isCopied)
    deps.outbox?.noteUncopied(service.name, route.name, "lag");
  deps.onVerdict(service.name, begun.verdict);
  if (begun.verdict === "start" && options.key !== null) noteKey(deps, begun.record);
  return begun;
}

/** A best-effort copy beyond the outbox's bound is not made (R5): what waits must not take the room of processes. */
function mayBeCopied({ outbox }: SubmitDeps, { service, route, body }: Submission): boolean {
  if (!isMirrored(route)) return false;
  const isRequired = route.mirror!.outbox === "required";
  return isRequired || (outbox?.hasRoom(service.name, route.mirror!, body.byteLength) ?? true);
}

interface Stand {
  readonly scope: Scope;
  readonly partition: number;
  readonly compared: Pick<Claim, "fingerprint" | "otherFingerprint" | "credential">;
}

/**
 * Where the request's process stands, and what is compared there: where another version of the fingerprint, or a
 * configuration of before, has put it, if it has. That takes a look only for requests which these tell apart.
 */
async function placeOf({ processes }: SubmitDeps, identified: Identified): Promise<Stand> {
  const { scope, otherScope, former } = identified;
  const at = (place: Scope, told: FormerPlace): Stand => ({
    scope: place,
    partition: partitionOf(place, processes.store.partitions),
    compared: {
      fingerprint: told.fingerprint,
      ...(told.otherFingerprint === null ? {} : { otherFingerprint: told.otherFingerprint }),
      credential: told.credential,
    },
  });
  const before = former.map((told) => at(told.scope, told));
  for (const stand of otherScope === null ? before : [...before, at(otherScope, identified)]) {
    const { record, now } = await processes.read({ ...stand, epoch: null }, { withResult: false });
    if (record !== null && holdsScope(record, now)) return stand;
  }
  return at(scope, identified);
}

/** A client library that draws a key for each attempt is protected by none of them: it is told, not refused. */
function noteKey({ otherKeys, onOtherKey }: SubmitDeps, record: ProcessRecord): void {
  const { service, fingerprint, credential, scope } = record;
  const id = processId(record);
  const earlier = otherKeys.note({ service, fingerprint, credential, scope, processId: id });
  if (earlier !== null) onOtherKey(record, earlier);
}

/** An unacknowledged claim is released once the store answers; if this node dies first, the alarm may send the request. */
function mayBeSentLater(deps: SubmitDeps, error: StoreUnavailable, submission: Submission): boolean {
  const { credential } = identityOf(deps, submission);
  const caller = callerOf({ credential, holder: holderOf(submission) });
  const isKept = keepsRequest(submission) || deps.pacing.pausedMs(submission.service.name, caller) > 0;
  return error.mayHaveStarted && isKept;
}

/** @returns null: the process it joined was never sent, so the request begins again */
function serve(deps: SubmitDeps, submission: Submission, begun: Begun): Promise<Reply | null> | Reply {
  const { service, route, options } = submission;
  switch (begun.verdict) {
    case "start": {
      const run = deps.executor.run({
        record: begun.record,
        service,
        route,
        rules: options.rules,
        request: requestOf(submission),
        extra: submission.extra,
        client: submission.client,
        seen: submission.seen ?? null,
        ...(submission.onInformational === undefined ? {} : { onInformational: submission.onInformational }),
      });
      return awaitResult(deps, submission, begun.record, run);
    }
    case "join":
      return awaitResult(deps, submission, begun.record, null);
    case "replay":
      return storedReply(submission, begun.record, begun.result, true);
    case "conflict":
      throw begun.slug === "process-cancelled"
        ? cancelledProblem(begun.record, true)
        : inProgressProblem(begun.record);
    case "mismatch":
      throw new Problem(begun.of === "payload" ? "idempotency-key-reused" : "credential-changed", {
        service: service.name,
      });
  }
}
