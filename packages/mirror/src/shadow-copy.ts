/**
 * One copy: sent to the secondary, compared with the primary's response, recorded. A read that differs may be a race (R12):
 * it is confirmed by reading both sides again when the key has no pending write.
 */
import type { Clock } from "@sticky-proxy/protocol";
import {
  answersCondition,
  isEndless,
  isSampled,
  orderKeyPartition,
  type Outbox,
  type Pacer,
} from "@sticky-proxy/core/mirror";
import type { Service } from "@sticky-proxy/core/registry";
import type { Compared, Comparer } from "./comparer.ts";
import type { Latencies } from "./observe-mirror.ts";
import type { Secondary, SecondaryOutcome } from "./secondary.ts";
import type { PrimaryAnswer, ShadowJob } from "./shadow-job.ts";
import type { Answered, ShadowNotes } from "./shadow-notes.ts";

export interface ShadowCopyDeps {
  readonly outbox: Pick<Outbox, "keyState" | "partitions">;
  readonly secondary: Secondary;
  readonly comparer: Comparer;
  readonly pacerOf: (secondary: string) => Pacer;
  readonly clock: Clock;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Called when both responses are known. */
  readonly onAnswered: (service: string, latencies: Latencies) => void;
}

/** A read whose responses differ, possibly because of a race. */
export interface Suspect {
  readonly job: ShadowJob;
  readonly primary: PrimaryAnswer;
  readonly answer: Answered;
  readonly compared: Compared;
}

const settleMs = [100, 400, 1000, 2000, 4000] as const;
const maxAnswerBytes = 1024 * 1024;

/** `signal` aborts the send. null: the outcome is recorded and final. */
export async function copyOnce(
  deps: ShadowCopyDeps,
  notes: ShadowNotes,
  job: ShadowJob,
  signal: AbortSignal,
): Promise<Suspect | null> {
  const { comparer, clock, pacerOf } = deps;
  const answer = await ask(deps, job, job.secondary, signal);
  pacerOf(job.secondary.name).leave(answer.kind === "answered", clock.monotonic());
  if (answer.kind === "failed") {
    if (answer.aborted) notes.shed(job);
    else await notes.keepFailure(job, answer);
    return null;
  }
  const { primary } = job;
  const primaryMs = typeof primary === "string" ? null : primary.latencyMs;
  deps.onAnswered(job.service.name, { primary: primaryMs, secondary: answer.latencyMs });
  if (typeof primary === "string") {
    await notes.keep(job, `skipped:${primary}`);
    return null;
  }
  if (answersCondition(primary.status, job.head.headers)) {
    await notes.keep(job, "skipped:conditional");
    return null;
  }
  if (isEndless(primary.headers) || isEndless(answer.headers)) {
    await notes.keep(job, "skipped:streamed");
    return null;
  }
  if (!isSampled(job.orderKey, job.policy.compare.sampleRate)) {
    await notes.keep(job, "skipped:not-sampled");
    return null;
  }
  const compared = await comparer.compare(primary, answer, job.policy.compare);
  const { result, class: kind } = compared.comparison;
  if (result !== "different") {
    await notes.keep(job, result);
    return null;
  }
  // A response that is too large to be compared would be so again.
  if (job.policy.mode === "dual-read" && kind !== "too-large") return { job, primary, answer, compared };
  await notes.keepDifference(job, primary, answer, compared, "different");
  return null;
}

/** Reads both sides again when the key has no pending write. Equal responses, or a key that stays busy, mean a race. */
export async function confirm(
  deps: ShadowCopyDeps,
  notes: ShadowNotes,
  suspect: Suspect,
  signal: AbortSignal,
): Promise<void> {
  const { job } = suspect;
  for (const ms of settleMs) {
    await deps.sleep(ms, signal);
    if (signal.aborted) break;
    if (!(await isQuiet(deps, job).catch(() => false))) continue;
    const [primary, secondary] = await Promise.all([
      ask(deps, job, job.service, signal),
      ask(deps, job, job.secondary, signal),
    ]);
    if (primary.kind === "failed" || primary.body === null || secondary.kind === "failed") continue;
    const again = await deps.comparer.compare(primary, secondary, job.policy.compare);
    if (again.comparison.result !== "different") return notes.keep(job, "race");
    return notes.keepDifference(job, { ...primary, body: primary.body }, secondary, again, "different");
  }
  return noteAsRace(notes, suspect);
}

/** A suspect that is not read again counts as a race. */
export function noteAsRace(notes: ShadowNotes, { job, primary, answer, compared }: Suspect): Promise<void> {
  return notes.keepDifference(job, primary, answer, compared, "race");
}

/** Whether the key has no pending write, and its parent paths none from before the read. */
async function isQuiet({ outbox }: ShadowCopyDeps, { orderKey, after, at }: ShadowJob): Promise<boolean> {
  const stateOf = (key: string) => outbox.keyState(orderKeyPartition(key, outbox.partitions), key);
  const [own, ...above] = await Promise.all([orderKey, ...after].map(stateOf));
  return own!.pending === 0 && above.every(({ pendingFrom }) => pendingFrom === null || pendingFrom >= at);
}

function ask(
  { secondary }: ShadowCopyDeps,
  job: ShadowJob,
  service: Service,
  signal: AbortSignal,
): Promise<SecondaryOutcome> {
  const { connectMs, firstByteMs, idleMs } = service.timeouts;
  const isPrimary = service === job.service;
  return secondary.send({
    secondary: service,
    primary: job.service,
    policy: isPrimary ? { credentials: "forward" } : job.policy,
    head: job.head,
    body: job.body,
    idempotencyKey: job.idempotencyKey,
    extra: [],
    maxAnswerBytes,
    timeoutMs: connectMs + firstByteMs + idleMs,
    signal,
  });
}
