/**
 * Copies behind the primary's answer for `shadow` and `dual-read`: a bounded queue in memory that sheds the newest and
 * counts what it sheds. Nothing here is on the client's path, and nothing waits for it.
 *
 * Reads are compared with an eye on the lag (rule 12): where the two sides differ, both are read again once the key
 * has no write on its way; only what differs then is a difference.
 */
import type {
  CoverageOutcome,
  Differences,
  HeaderList,
  MirrorPolicy,
  NewDifference,
  Outbox,
  Pacer,
  RequestHead,
  Route,
  Service,
} from "@sticky-proxy/core";
import { coverageWindow, isSampled, orderKeyPartition } from "@sticky-proxy/core";
import type { Compared, Comparer } from "@sticky-proxy/sweeper";
import { recordsPerPartition } from "@sticky-proxy/sweeper";
import type { Secondary, SecondaryOutcome } from "@sticky-proxy/upstream";
import { answeredDifference, failedDifference } from "./describe-shadow.ts";

export interface ShadowJob {
  readonly service: Service;
  readonly secondary: Service;
  readonly route: Route;
  readonly policy: MirrorPolicy;
  readonly head: RequestHead;
  readonly body: Uint8Array;
  readonly orderKey: string;
  readonly idempotencyKey: string | null;
  readonly primary: PrimaryAnswer;
  /** Epoch ms of the store's clock. */
  readonly at: number;
}

export interface PrimaryAnswer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Uint8Array;
  readonly latencyMs: number;
}

export interface ShadowQueueDeps {
  readonly differences: Pick<Differences, "observe">;
  readonly outbox: Pick<Outbox, "keyState" | "partitions">;
  readonly secondary: Secondary;
  readonly comparer: Comparer;
  readonly pacerOf: (secondary: string) => Pacer;
  readonly configVersion: () => string;
  readonly now: () => number;
  /** Monotonic ms. */
  readonly monotonic: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly onOutcome: (service: string, outcome: CoverageOutcome, difference: NewDifference | null) => void;
  readonly onTrouble: (error: unknown) => void;
}

export interface ShadowQueue {
  /** Takes the job, or sheds it; never waits. */
  offer(job: ShadowJob): void;
  /** A call that cannot be copied. */
  skip(
    service: string,
    route: string,
    orderKey: string,
    outcome: "skipped:body-too-large" | "skipped:shed",
  ): void;
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

export function createShadowQueue(deps: ShadowQueueDeps): ShadowQueue {
  const { monotonic, pacerOf, sleep } = deps;
  const queue: ShadowJob[] = [];
  const running = new Set<Promise<void>>();
  const skipped = new Map<
    string,
    {
      service: string;
      route: string;
      orderKey: string;
      outcome: CoverageOutcome;
      count: number;
      window: number;
    }
  >();
  const cut = new AbortController();
  let bytes = 0;
  let suspects = 0;
  let stopped = false;

  function sizeOf(job: ShadowJob): number {
    return job.body.length + job.primary.body.length;
  }

  function skip(service: string, route: string, orderKey: string, outcome: CoverageOutcome): void {
    const window = coverageWindow(deps.now());
    const name = JSON.stringify([service, route, outcome, window]);
    const known = skipped.get(name);
    skipped.set(name, { service, route, orderKey, outcome, window, count: (known?.count ?? 0) + 1 });
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
    for (let i = 0; i < queue.length && !stopped;) {
      const job = queue[i]!;
      const name = job.secondary.name;
      if (full.has(name) || !pacerOf(name).tryEnter(monotonic())) {
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
    pacerOf(job.secondary.name).leave(answer.kind === "answered", monotonic());
    if (answer.kind === "failed") {
      if (answer.aborted) return skip(job.service.name, job.route.name, job.orderKey, "skipped:shed");
      return keep(job, "failed", failedDifference(job, answer, deps.configVersion()));
    }
    if (!isSampled(job.orderKey, job.policy.compare.sampleRate))
      return keep(job, "skipped:not-sampled", null);
    const compared = await deps.comparer.compare(job.primary, answer, job.policy.compare);
    const { result } = compared.comparison;
    if (result !== "different") return keep(job, result, null);
    if (job.policy.mode !== "dual-read") return keepDifference(job, job.primary, answer, compared, false);
    if (suspects >= maxSuspects) return keepDifference(job, job.primary, answer, compared, true);
    suspects++;
    // Not awaited: a suspect's waiting must not take the secondary's room.
    track(confirm(job, answer, compared).finally(() => suspects--));
  }

  /** Reads both sides again when the key is quiet. What does not differ any more, or never gets quiet, was a race. */
  async function confirm(
    job: ShadowJob,
    first: Extract<SecondaryOutcome, { kind: "answered" }>,
    compared: Compared,
  ): Promise<void> {
    const partition = orderKeyPartition(job.orderKey, deps.outbox.partitions);
    for (const ms of settleMs) {
      await sleep(ms, cut.signal);
      if (cut.signal.aborted) break;
      const { pending } = await deps.outbox.keyState(partition, job.orderKey);
      if (pending > 0) continue;
      const [primary, secondary] = await Promise.all([ask(job, job.service), ask(job, job.secondary)]);
      if (primary.kind === "failed" || primary.body === null || secondary.kind === "failed") continue;
      const again = await deps.comparer.compare(primary, secondary, job.policy.compare);
      if (again.comparison.result !== "different") return keep(job, "race", null);
      return keepDifference(job, { ...primary, body: primary.body }, secondary, again, false);
    }
    return keepDifference(job, job.primary, first, compared, true);
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
    await deps.differences.observe({
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

  async function flush(): Promise<void> {
    for (const [name, row] of skipped) {
      skipped.delete(name);
      const limits = { ttlMs: 0, maxDifferences: recordsPerPartition };
      try {
        await deps.differences.observe({ ...row, difference: null, limits });
      } catch (error) {
        const since = skipped.get(name);
        skipped.set(name, { ...row, count: row.count + (since?.count ?? 0) });
        throw error;
      }
    }
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
      await flush();
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
      await flush();
    },
  };
}
