/**
 * Processes one intent of the outbox: read its record, decide, send, compare, store the outcome,
 * mark the record, ack. Each step is safe to repeat, so the next owner can finish what a dead one has started:
 * before the outcome is stored the request is sent again with the same key and fence, afterwards it is not.
 */
import type { Clock } from "@sticky-proxy/protocol";
import {
  type CoverageOutcome,
  type Gap,
  type IdMap,
  type KeyState,
  type NewDifference,
  type Outbox,
  type OutboxEntry,
  type Pacer,
  type ParkedKey,
  type ParkReason,
  answersCondition,
  decideIntent,
  decideRetry,
  isEndless,
  isRefusedWrite,
  isSampled,
  orderKeyPartition,
  overlaps,
} from "@sticky-proxy/core/mirror";
import { type ProcessRecord, type ProcessStore, processId } from "@sticky-proxy/core/process";
import { type StoredResponse, givesKey } from "@sticky-proxy/core/http";
import type { Secondary, SecondaryOutcome } from "./secondary.ts";
import type { Comparer } from "./comparer.ts";
import { compareRules, learnIds, mapIds, withIds } from "./map-ids.ts";
import {
  describeDifference,
  primaryMs,
  skippedDifference,
  unansweredDifference,
  unknownPrimary,
} from "./describe-difference.ts";
import type { MirrorRoute } from "./mirrored-routes.ts";
import type { Latencies } from "./observe-mirror.ts";

export interface MirrorEntryDeps {
  readonly outbox: Outbox;
  readonly store: Pick<ProcessStore, "read" | "readRequest">;
  /** Releases a record, so that it may expire. Idempotent. @throws StoreUnavailable */
  readonly markMirrored: (record: ProcessRecord) => Promise<void>;
  /** null: the route or its secondary is not configured. */
  readonly find: (service: string, route: string) => MirrorRoute | null;
  /**
   * For a route that `find` does not know: where the record's own rules lead, with the addresses of today's file. null:
   * nowhere from here; the copy waits. Absent: every such copy waits. @throws StoreUnavailable
   */
  readonly findPinned?: (record: ProcessRecord) => Promise<MirrorRoute | null>;
  /** A copy waits because nothing here says where it goes. */
  readonly onUnknown?: (entry: OutboxEntry) => void;
  readonly secondary: Secondary;
  readonly ids: IdMap;
  readonly comparer: Comparer;
  readonly pacerOf: (secondary: string) => Pacer;
  readonly random: () => number;
  readonly clock: Pick<Clock, "monotonic">;
  /** Called when both responses are known. */
  readonly onAnswered: (service: string, latencies: Latencies) => void;
  readonly onSettled: (
    entry: OutboxEntry,
    outcome: CoverageOutcome,
    difference: NewDifference | null,
  ) => void;
}

export interface Turn {
  readonly partition: number;
  readonly owner: number;
  readonly entry: OutboxEntry;
  /** The key's next intent; null: none, or not known. */
  readonly next: OutboxEntry | null;
  readonly state: KeyState;
  /** The key's own list, when it is parked. */
  readonly parked: ParkedKey | null;
  /** An earlier owner may have settled the entry. */
  readonly mayBeSettled: boolean;
  /** Aborts a running send; the entry stays. */
  readonly signal: AbortSignal;
}

export type TurnResult =
  | { readonly kind: "done" }
  /** Nothing happened: the primary is at it, what it comes after is not done, the secondary has no room, or we stop. */
  | {
      readonly kind: "blocked";
      readonly on: "primary" | "secondary" | "earlier writes" | "configuration" | "stop";
    }
  | {
      readonly kind: "failed";
      readonly reason: ParkReason;
      readonly inMs: number | null;
      readonly error: string;
      readonly attempts: number;
    }
  /** Another owner has the partition. */
  | { readonly kind: "lost" };

/** Largest number of records per partition; above it the oldest are removed. */
export const recordsPerPartition = 500;
/** Largest number of pairs that wait for the comparer; at the limit nothing is sent. */
const maxComparing = 64;
const defaultAnswerBytes = 1024 * 1024;
const defaultTtlMs = 7 * 86_400_000;

interface Outcome {
  readonly outcome: CoverageOutcome;
  readonly difference: NewDifference | null;
  readonly diverged: boolean;
}

/** @throws StoreUnavailable */
export async function mirrorEntry(deps: MirrorEntryDeps, turn: Turn): Promise<TurnResult> {
  const { outbox, store } = deps;
  const { partition, entry } = turn;
  const { record, result, now } = await store.read(entry, { withResult: true });
  let found = deps.find(entry.service, entry.route);
  if (found === null && record !== null) found = (await deps.findPinned?.(record)) ?? null;

  if (turn.mayBeSettled && (await outbox.settledAs(partition, entry.entryId)) !== null) {
    return finish(deps, turn, record);
  }
  const { skip } = turn.parked ?? { skip: null };
  if (skip?.entryId === entry.entryId) {
    const difference = record === null ? null : skippedDifference(entry, found, record, turn.parked!);
    return settle(deps, turn, found, record, { outcome: "skipped:operator", difference, diverged: true });
  }
  // Whether a refusal is copied is for those to say who know the route.
  const policy = found?.policy ?? { mirror4xx: true };
  const decision = decideIntent(entry, record, policy);
  switch (decision.kind) {
    case "wait":
      return { kind: "blocked", on: "primary" };
    case "skip":
      // Because of the gap the secondary lacks a write of the primary.
      return settle(deps, turn, found, record, {
        outcome: `skipped:${decision.reason}`,
        difference: null,
        diverged: decision.reason === "gap" || decision.reason === "lag",
      });
    case "primary-unknown":
      await outbox.noteGap(unknownGap(entry), 0);
      return settle(deps, turn, found, record, {
        outcome: "skipped:primary-unknown",
        difference: unknownPrimary(entry, found, decision.record),
        diverged: true,
      });
    case "send":
      if (found === null) {
        deps.onUnknown?.(entry);
        return { kind: "blocked", on: "configuration" };
      }
      return send(deps, turn, found, decision.record, result, now);
  }
}

async function send(
  deps: MirrorEntryDeps,
  turn: Turn,
  found: MirrorRoute,
  record: ProcessRecord,
  result: StoredResponse | null,
  now: number,
): Promise<TurnResult> {
  const { entry, parked } = turn;
  const { secondary, service, route, policy } = found;
  const pacer = deps.pacerOf(secondary.name);
  if (await isBehindOthers(deps.outbox, entry)) return { kind: "blocked", on: "earlier writes" };
  const stored = await deps.store.readRequest(record, { mayLackCredentials: true });
  if (stored === null) {
    const difference = unansweredDifference(entry, found, record, null, 0, "request-not-kept");
    return settle(deps, turn, found, record, { outcome: "failed", difference, diverged: true });
  }
  const mapped = await mapIds(deps.ids, found, stored);
  if (mapped.kind === "unmapped") {
    const error = `the second backend has no id for ${mapped.id}`;
    return { kind: "failed", reason: "id-unmapped", inMs: null, error, attempts: parked?.attempts ?? 0 };
  }
  const { request } = mapped;
  // Two bodies stay in memory until they are compared.
  const hasRoom = deps.comparer.waiting < maxComparing && pacer.tryEnter(deps.clock.monotonic());
  if (!hasRoom) return { kind: "blocked", on: "secondary" };
  const id = processId(record);
  let answer: SecondaryOutcome;
  try {
    answer = await deps.secondary.send({
      secondary,
      primary: service,
      policy,
      head: request.head,
      body: request.body,
      idempotencyKey: request.key ?? (givesKey(request.head.headers) ? null : id),
      extra: [
        ["Sticky-Process-Id", id],
        ["Sticky-Fence", String(entry.fence)],
      ],
      maxAnswerBytes: route.process?.maxResultBytes ?? defaultAnswerBytes,
      timeoutMs: secondary.timeouts.connectMs + secondary.timeouts.firstByteMs + secondary.timeouts.idleMs,
      signal: turn.signal,
    });
  } catch (error) {
    pacer.leave(false, deps.clock.monotonic());
    throw error;
  }
  pacer.leave(answer.kind === "answered", deps.clock.monotonic());
  if (answer.kind === "failed" && answer.aborted) return { kind: "blocked", on: "stop" };
  const attempts = (parked?.attempts ?? 0) + 1;
  if (answer.kind === "failed") {
    const age = now - (parked?.ageFrom ?? entry.at);
    const decided = decideRetry(answer.failure, attempts, age, policy, deps.random());
    const { failure } = answer;
    const error = failure.kind === "no-answer" ? failure.error : `status ${failure.status}`;
    if (decided.kind === "retry") {
      return { kind: "failed", reason: failure.kind, inMs: decided.inMs, error, attempts };
    }
    if (policy.onDeadKey === "stop-key")
      return { kind: "failed", reason: "stopped", inMs: null, error, attempts };
    const difference = unansweredDifference(entry, found, record, answer, attempts, error);
    return settle(deps, turn, found, record, { outcome: "failed", difference, diverged: true });
  }

  deps.onAnswered(entry.service, { primary: primaryMs(record), secondary: answer.latencyMs });
  const primary = {
    status: result?.status ?? record.httpStatus ?? 200,
    headers: result?.headers ?? [],
    body: result?.body ?? null,
  };
  // Kept before the outcome: a copy that is sent again after a crash teaches the same.
  const unjoined = await learnIds(deps.ids, found, stored, primary, answer);
  const isRefused = isRefusedWrite(request.head.method, record.httpStatus, answer.status);
  const isToBeCompared = isRefused || unjoined !== null;
  const notCompared = isToBeCompared ? null : whyNotCompared(entry, found, record, answer);
  if (notCompared !== null) {
    return settle(deps, turn, found, record, { outcome: notCompared, difference: null, diverged: false });
  }
  // Of an answer that is not kept the fields are not known, which is no difference.
  const own = compareRules(policy);
  const rules = result === null ? { ...own, headers: [] } : own;
  const compared = withIds(await deps.comparer.compare(primary, answer, rules), unjoined);
  const isDifferent = compared.comparison.result === "different";
  const concurrent = isDifferent && unjoined === null && (await isConcurrent(deps.outbox, turn, record));
  const outcome: Outcome = {
    outcome: isDifferent && concurrent ? "race" : compared.comparison.result,
    difference: isDifferent
      ? describeDifference({ entry, found, record, answer, compared, attempts, concurrent })
      : null,
    diverged: isRefused,
  };
  if (!isRefused || policy.onDeadKey === "continue") return settle(deps, turn, found, record, outcome);
  // The entry stays at the head of its key, settled: once an operator unparks it the key goes on behind it.
  if (!(await keepOutcome(deps, turn, found, record, outcome))) return { kind: "lost" };
  return { kind: "failed", reason: "stopped", inMs: null, error: `refused with ${answer.status}`, attempts };
}

/** Listed beside the gaps, and counted by its entry. */
function unknownGap({ service, route, dispatchedAt }: OutboxEntry): Gap {
  return { service, route, reason: "primary-unknown", count: 1, from: dispatchedAt, to: dispatchedAt };
}

/** null: the two answers are compared. */
function whyNotCompared(
  entry: OutboxEntry,
  { route, policy }: MirrorRoute,
  record: ProcessRecord,
  answer: Extract<SecondaryOutcome, { kind: "answered" }>,
): CoverageOutcome | null {
  if (route.process?.completion === "callback" && answer.status === 202) return "skipped:asynchronous";
  if (isEndless(answer.headers)) return "skipped:streamed";
  // The request as it is kept for its copy has no conditions.
  if (answersCondition(record.httpStatus, null)) return "skipped:conditional";
  return isSampled(entry.orderKey, policy.compare.sampleRate) ? null : "skipped:not-sampled";
}

/** Whether earlier intents of parent paths are pending: they may create what this one changes. */
async function isBehindOthers(outbox: Outbox, { after, at }: OutboxEntry): Promise<boolean> {
  const ahead = after.map(async (orderKey) => {
    const place = orderKeyPartition(orderKey, outbox.partitions);
    const { pendingFrom, parked } = await outbox.keyState(place, orderKey);
    // Within one millisecond nobody can tell: then the one above counts as earlier.
    if (pendingFrom === null || pendingFrom > at) return false;
    // A parked list may be old, or newer than the key's last settled intent.
    const head = parked ? ((await outbox.parkedHead(place, orderKey))?.head ?? null) : null;
    return head === null || head.at <= at;
  });
  return (await Promise.all(ahead)).some((isAhead) => isAhead);
}

/**
 * R7: whether the call overlapped another call of its key at the primary, so that their order there is unknown. A
 * neighbouring call that must exist and cannot be found counts as overlapping.
 */
async function isConcurrent(outbox: Outbox, turn: Turn, record: ProcessRecord): Promise<boolean> {
  const { partition, entry, state } = turn;
  if (state.lastEndedAt !== null && state.lastEndedAt >= entry.dispatchedAt) return true;
  const isOther = (one: OutboxEntry): boolean =>
    one.orderKey === entry.orderKey && !(one.scope === entry.scope && one.epoch === entry.epoch);
  let next = turn.next !== null && isOther(turn.next) ? turn.next : null;
  if (next === null) {
    const { pending } = await outbox.keyState(partition, entry.orderKey);
    if (pending <= 1) return false;
    const { entries } = await outbox.peek(partition, { after: entry.entryId, limit: 1000 });
    next = entries.find(isOther) ?? null;
  }
  const call = { at: entry.dispatchedAt, endedAt: record.endedAt };
  return next === null || overlaps(call, { at: next.dispatchedAt, endedAt: null });
}

async function settle(
  deps: MirrorEntryDeps,
  turn: Turn,
  found: MirrorRoute | null,
  record: ProcessRecord | null,
  outcome: Outcome,
): Promise<TurnResult> {
  const kept = await keepOutcome(deps, turn, found, record, outcome);
  return kept ? finish(deps, turn, record) : { kind: "lost" };
}

/** false: another owner has the partition. */
async function keepOutcome(
  deps: MirrorEntryDeps,
  turn: Turn,
  found: MirrorRoute | null,
  record: ProcessRecord | null,
  { outcome, difference, diverged }: Outcome,
): Promise<boolean> {
  const { partition, owner, entry } = turn;
  const settled = await deps.outbox.settle(partition, owner, entry, {
    outcome,
    difference,
    diverged,
    endedAt: record?.endedAt ?? null,
    limits: { ttlMs: found?.policy.compare.ttlMs ?? defaultTtlMs, maxDifferences: recordsPerPartition },
  });
  if (settled === "settled") deps.onSettled(entry, outcome, difference);
  return settled !== "lost";
}

/** The record is released before the ack: after a crash in between the next owner finds the intent settled and repeats this. */
async function finish(deps: MirrorEntryDeps, turn: Turn, record: ProcessRecord | null): Promise<TurnResult> {
  const { partition, owner, entry } = turn;
  // The intent of an older dispatch does not settle the process: its last intent follows.
  if (record !== null && record.mirror === "pending" && record.fence <= entry.fence) {
    await deps.markMirrored(record);
  }
  const acked = await deps.outbox.ack(partition, owner, entry);
  return acked === "lost" ? { kind: "lost" } : { kind: "done" };
}
