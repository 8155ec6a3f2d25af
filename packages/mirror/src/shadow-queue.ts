/**
 * Copies behind the primary's answer for `shadow` and `dual-read`: a bounded queue in memory that sheds the newest and
 * counts what it sheds. Nothing here is on the client's path, and nothing waits for it.
 *
 * Reads are compared with an eye on the lag (R12): where the two sides differ, both are read again once the key
 * has no write on its way; only what differs then is a difference.
 */
import type { Clock } from "@sticky-proxy/protocol";
import {
  type CoverageOutcome,
  type Differences,
  type NewDifference,
  type Outbox,
  type Pacer,
  coverageWindow,
  isSampled,
  orderKeyPartition,
} from "@sticky-proxy/core/mirror";
import type { Service } from "@sticky-proxy/core/registry";
import type { Compared, Comparer } from "./comparer.ts";
import type { Latencies } from "./observe-mirror.ts";
import { recordsPerPartition } from "./mirror-entry.ts";
import type { Secondary, SecondaryOutcome } from "./secondary.ts";
import { answeredDifference, failedDifference } from "./describe-shadow.ts";
import type { PrimaryAnswer, ShadowJob } from "./shadow-job.ts";
import { createObservations } from "./observations.ts";

export interface ShadowQueueDeps {
  readonly differences: Pick<Differences, "observe">;
  readonly outbox: Pick<Outbox, "keyState" | "partitions">;
  readonly secondary: Secondary;
  readonly comparer: Comparer;
  readonly pacerOf: (secondary: string) => Pacer;
  readonly configVersion: () => string;
  readonly clock: Clock;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Both sides have answered. */
  readonly onAnswered: (service: string, latencies: Latencies) => void;
  readonly onOutcome: (service: string, outcome: CoverageOutcome, difference: NewDifference | null) => void;
  readonly onTrouble: (error: unknown) => void;
}

export interface ShadowQueue {
  /** Takes the job, or sheds it; never waits. */
  offer(job: ShadowJob): void;
  /** A call that cannot be copied. */
  skip(service: string, route: string, orderKey: string, outcome: CoverageOutcome): void;
  /** Starts what the secondary has room for and writes the counts. Call it every second or so. */
  tick(): Promise<void>;
  /** Takes nothing more; what waits is counted as shed, what is under way may end until `signal` aborts. */
  stop(signal: AbortSignal): Promise<void>;
  readonly entries: number;
  readonly bytes: number;
}

/** Reads that differed and wait to be read again; beyond, they count as races. */
const maxSuspects = 100;
const settleMs = [100, 400, 1000, 2000, 4000] as const;
const maxAnswerBytes = 1024 * 1024;
/** Pairs that wait for the comparer; meanwhile nothing is sent, so that what waits is in the bounded queue. */
const maxComparing = 16;

export function createShadowQueue(deps: ShadowQueueDeps): ShadowQueue {
  const { comparer, clock, pacerOf, sleep } = deps;
  const observations = createObservations(deps.differences);
  const queue: ShadowJob[] = [];
  const running = new Set<Promise<void>>();
  const cut = new AbortController();
  let bytes = 0;
  let suspects = 0;
  let stopped = false;

  function sizeOf(job: ShadowJob): number {
    const answer = typeof job.primary === "string" ? null : job.primary.body;
    return job.body.length + (answer?.length ?? 0);
  }

  function skip(service: string, route: string, orderKey: string, outcome: CoverageOutcome): void {
    const window = coverageWindow(clock.now());
    const limits = { ttlMs: 0, maxDifferences: recordsPerPartition };
    observations.sum({ service, route, orderKey, outcome, window, count: 1, difference: null, limits });
    deps.onOutcome(service, outcome, null);
  }

  function offer(job: ShadowJob): void {
    const { maxLag } = job.policy;
    if (stopped || queue.length >= maxLag.entries || bytes + sizeOf(job) > maxLag.bytes) {
      skip(job.service.name, job.route.name, job.orderKey, "skipped:shed");
      return;
    }
    queue.push(job);
    bytes += sizeOf(job);
    pump();
  }

  /** First in, first out per secondary: one that hangs does not hold up another's. */
  function pump(): void {
    const full = new Set<string>();
    for (let i = 0; i < queue.length && !stopped && comparer.waiting < maxComparing;) {
      const job = queue[i]!;
      const name = job.secondary.name;
      if (full.has(name) || !pacerOf(name).tryEnter(clock.monotonic())) {
        full.add(name);
        i++;
        continue;
      }
      queue.splice(i, 1);
      bytes -= sizeOf(job);
      track(copy(job).finally(() => queueMicrotask(pump)));
    }
  }

  function track(work: Promise<void>): void {
    const done = work.catch(deps.onTrouble).finally(() => running.delete(done));
    running.add(done);
  }

  async function copy(job: ShadowJob): Promise<void> {
    const answer = await ask(job, job.secondary);
    pacerOf(job.secondary.name).leave(answer.kind === "answered", clock.monotonic());
    if (answer.kind === "failed") {
      if (answer.aborted) return skip(job.service.name, job.route.name, job.orderKey, "skipped:shed");
      return keep(job, "failed", failedDifference(job, answer, deps.configVersion()));
    }
    const { primary } = job;
    const primaryMs = typeof primary === "string" ? null : primary.latencyMs;
    deps.onAnswered(job.service.name, { primary: primaryMs, secondary: answer.latencyMs });
    if (typeof primary === "string") return keep(job, `skipped:${primary}`, null);
    if (!isSampled(job.orderKey, job.policy.compare.sampleRate))
      return keep(job, "skipped:not-sampled", null);
    const compared = await comparer.compare(primary, answer, job.policy.compare);
    const { result, class: kind } = compared.comparison;
    if (result !== "different") return keep(job, result, null);
    // What is too large to be compared is so again.
    const isDecided = job.policy.mode !== "dual-read" || kind === "too-large";
    if (isDecided || suspects >= maxSuspects)
      return keepDifference(job, primary, answer, compared, !isDecided);
    suspects++;
    // Not awaited: a suspect's waiting must not take the secondary's room.
    track(confirm(job, primary, answer, compared).finally(() => suspects--));
  }

  /** Reads both sides again when the key is quiet. What does not differ any more, or never gets quiet, was a race. */
  async function confirm(
    job: ShadowJob,
    before: PrimaryAnswer,
    first: Extract<SecondaryOutcome, { kind: "answered" }>,
    compared: Compared,
  ): Promise<void> {
    for (const ms of settleMs) {
      await sleep(ms, cut.signal);
      if (cut.signal.aborted) break;
      if (!(await isQuiet(job).catch(() => false))) continue;
      const [primary, secondary] = await Promise.all([ask(job, job.service), ask(job, job.secondary)]);
      if (primary.kind === "failed" || primary.body === null || secondary.kind === "failed") continue;
      const again = await comparer.compare(primary, secondary, job.policy.compare);
      if (again.comparison.result !== "different") return keep(job, "race", null);
      return keepDifference(job, { ...primary, body: primary.body }, secondary, again, false);
    }
    return keepDifference(job, before, first, compared, true);
  }

  /** No write of the key is on its way, and none from before the read of a path above it. */
  async function isQuiet({ orderKey, after, at }: ShadowJob): Promise<boolean> {
    const stateOf = (key: string) =>
      deps.outbox.keyState(orderKeyPartition(key, deps.outbox.partitions), key);
    const [own, ...above] = await Promise.all([orderKey, ...after].map(stateOf));
    return own!.pending === 0 && above.every(({ pendingFrom }) => pendingFrom === null || pendingFrom >= at);
  }

  function ask(job: ShadowJob, service: Service): Promise<SecondaryOutcome> {
    const { connectMs, firstByteMs, idleMs } = service.timeouts;
    const isPrimary = service === job.service;
    return deps.secondary.send({
      secondary: service,
      primary: job.service,
      policy: isPrimary ? { credentials: "forward" } : job.policy,
      head: job.head,
      body: job.body,
      idempotencyKey: job.idempotencyKey,
      extra: [],
      maxAnswerBytes,
      timeoutMs: connectMs + firstByteMs + idleMs,
      signal: cut.signal,
    });
  }

  function keepDifference(
    job: ShadowJob,
    primary: PrimaryAnswer,
    answer: Extract<SecondaryOutcome, { kind: "answered" }>,
    compared: Compared,
    race: boolean,
  ): Promise<void> {
    const difference = answeredDifference(job, primary, answer, compared, race, deps.configVersion());
    return keep(job, race ? "race" : "different", difference);
  }

  async function keep(
    job: ShadowJob,
    outcome: CoverageOutcome,
    difference: NewDifference | null,
  ): Promise<void> {
    deps.onOutcome(job.service.name, outcome, difference);
    await observations.note({
      service: job.service.name,
      route: job.route.name,
      orderKey: job.orderKey,
      outcome,
      count: 1,
      window: coverageWindow(job.at),
      difference,
      limits: { ttlMs: job.policy.compare.ttlMs, maxDifferences: recordsPerPartition },
    });
  }

  return {
    offer,
    skip,
    get entries() {
      return queue.length;
    },
    get bytes() {
      return bytes;
    },
    async tick() {
      pump();
      await observations.flush();
    },
    async stop(signal) {
      stopped = true;
      for (const job of queue.splice(0)) {
        skip(job.service.name, job.route.name, job.orderKey, "skipped:shed");
      }
      bytes = 0;
      const cutNow = (): void => cut.abort();
      if (signal.aborted) cutNow();
      else signal.addEventListener("abort", cutNow, { once: true });
      while (running.size > 0) await Promise.all(running);
      await observations.flush();
    },
  };
}
