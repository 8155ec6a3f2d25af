/**
 * Copies after the primary's response for `shadow` and `dual-read`: a bounded queue in memory that sheds new jobs and
 * counts them. No client waits for it.
 */
import type { CoverageOutcome } from "@sticky-proxy/core/mirror";
import { confirm, copyOnce, noteAsRace, type ShadowCopyDeps } from "./shadow-copy.ts";
import type { ShadowJob } from "./shadow-job.ts";
import { createShadowNotes, type ShadowNotesDeps } from "./shadow-notes.ts";

export interface ShadowQueueDeps extends ShadowCopyDeps, ShadowNotesDeps {
  readonly clock: ShadowCopyDeps["clock"];
  readonly onTrouble: (error: unknown) => void;
}

export interface ShadowQueue {
  /** Queues the job, or sheds it; never waits. */
  offer(job: ShadowJob): void;
  /** Records a call that cannot be copied. */
  skip(service: string, route: string, orderKey: string, outcome: CoverageOutcome): void;
  /** Starts jobs up to the secondary's limit and writes the counts. Called periodically. */
  tick(): Promise<void>;
  /** Accepts no more jobs; queued ones count as shed, running ones may end until `signal` aborts. */
  stop(signal: AbortSignal): Promise<void>;
  readonly entries: number;
  readonly bytes: number;
}

/** Largest number of reads that wait to be read again; above it they count as races. */
const maxSuspects = 100;
/** Largest number of pairs that wait for the comparer; at the limit nothing is sent, so that jobs stay in the bounded queue. */
const maxComparing = 16;

/** Of jobs in memory, where the configuration names no bound. */
const defaultBytes = 64 * 1024 * 1024;

export function createShadowQueue(deps: ShadowQueueDeps): ShadowQueue {
  const { comparer, clock, pacerOf } = deps;
  const notes = createShadowNotes(deps);
  const queue: ShadowJob[] = [];
  /** Queued or under way. */
  const active = new Set<ShadowJob>();
  const running = new Set<Promise<void>>();
  const cut = new AbortController();
  let bytes = 0;
  let suspects = 0;
  let stopped = false;

  /** First in, first out per secondary: one that hangs does not delay another. */
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
    let isSuspect = false;
    try {
      const suspect = await copyOnce(deps, notes, job, cut.signal);
      if (suspect === null) return;
      if (suspects >= maxSuspects) return await noteAsRace(notes, suspect);
      suspects++;
      isSuspect = true;
      // Not awaited: a read that waits must not occupy a slot of the secondary.
      const confirmed = confirm(deps, notes, suspect, cut.signal);
      track(confirmed.finally(() => (suspects--, active.delete(job))));
    } finally {
      if (!isSuspect) active.delete(job);
    }
  }

  return {
    skip: notes.skip,
    get entries() {
      return queue.length;
    },
    get bytes() {
      return bytes;
    },
    offer(job) {
      const { maxLag } = job.policy;
      const maxBytes = maxLag.bytes ?? defaultBytes;
      if (stopped || queue.length >= maxLag.entries || bytes + sizeOf(job) > maxBytes) {
        notes.shed(job);
        return;
      }
      queue.push(job);
      active.add(job);
      bytes += sizeOf(job);
      pump();
    },
    async tick() {
      pump();
      for (const job of active) notes.countPending(job);
      await notes.flush();
    },
    async stop(signal) {
      stopped = true;
      for (const job of queue.splice(0)) {
        active.delete(job);
        notes.shed(job);
      }
      bytes = 0;
      const cutNow = (): void => cut.abort();
      if (signal.aborted) cutNow();
      else signal.addEventListener("abort", cutNow, { once: true });
      while (running.size > 0) await Promise.all(running);
      await notes.flush();
    },
  };
}

function sizeOf(job: ShadowJob): number {
  const answer = typeof job.primary === "string" ? null : job.primary.body;
  return job.body.length + (answer?.length ?? 0);
}
