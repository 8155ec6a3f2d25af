/**
 * Comparison in a worker thread, one pair at a time. A pair that takes too long terminates the thread and is
 * `too-large`; the next pair gets a new thread. The main thread only transfers bytes.
 */
import { Worker } from "node:worker_threads";
import type { ComparePolicy } from "@sticky-proxy/core/registry";
import type { Comparison } from "@sticky-proxy/core/mirror";
import { after } from "@sticky-proxy/runtime";
import type { BodyFacts, CompareDone, CompareJob, WorkerAnswer } from "./compare-worker.ts";

export interface Compared {
  readonly comparison: Comparison;
  readonly primary: BodyFacts;
  readonly secondary: BodyFacts;
}

export interface Comparer {
  /** Never rejects. */
  compare(primary: WorkerAnswer, secondary: WorkerAnswer, policy: ComparePolicy): Promise<Compared>;
  /** Number of pairs without a result yet. */
  readonly waiting: number;
  close(): Promise<void>;
}

export interface ComparerOptions {
  /** Key of the redactor: the same on all nodes, so that equal secrets have equal digests. */
  readonly redactKey: string;
  /** Timeout of one pair, including the start of the thread; the comparison's own budget is far below. */
  readonly timeoutMs?: number;
}

interface Waiting {
  readonly job: CompareJob;
  readonly resolve: (compared: Compared) => void;
}

const unknownBody: BodyFacts = { sha256: null, bytes: null };
const tooLarge: Compared = {
  comparison: { result: "different", class: "too-large", edits: [], truncated: true, masked: 0 },
  primary: unknownBody,
  secondary: unknownBody,
};

export function createComparer({ redactKey, timeoutMs = 5000 }: ComparerOptions): Comparer {
  const queue: Waiting[] = [];
  let running: (Waiting & { readonly cancelTimeout: () => void }) | null = null;
  let worker: Worker | null = null;
  let nextId = 0;
  let closed = false;

  function open(): Worker {
    const opened = new Worker(new URL("./compare-worker.ts", import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 256 },
      execArgv: [],
    });
    opened.unref();
    opened.on("message", (done: CompareDone) => {
      if (running?.job.id === done.id) finish(done);
    });
    // The thread is out of memory or has a bug: this pair is not compared, the next ones are.
    opened.on("error", () => drop(opened));
    opened.on("exit", () => drop(opened));
    return opened;
  }

  function drop(gone: Worker): void {
    if (worker !== gone) return;
    worker = null;
    if (running !== null) finish(tooLarge);
  }

  function finish(compared: Compared): void {
    const done = running!;
    running = null;
    done.cancelTimeout();
    const { comparison, primary, secondary } = compared;
    done.resolve({ comparison, primary, secondary });
    next();
  }

  function next(): void {
    if (running !== null) return;
    const waiting = queue.shift();
    if (waiting === undefined) return;
    worker ??= open();
    const cancelTimeout = after(timeoutMs, () => {
      const stuck = worker!;
      worker = null;
      finish(tooLarge);
      void stuck.terminate();
    });
    running = { ...waiting, cancelTimeout };
    worker.postMessage(waiting.job);
  }

  return {
    get waiting() {
      return queue.length + (running === null ? 0 : 1);
    },
    compare(primary, secondary, policy) {
      if (closed) return Promise.resolve(tooLarge);
      return new Promise((resolve) => {
        queue.push({ job: { id: nextId++, primary, secondary, policy, redactKey }, resolve });
        next();
      });
    },
    async close() {
      closed = true;
      for (const { resolve } of queue.splice(0)) resolve(tooLarge);
      const open = worker;
      worker = null;
      if (running !== null) finish(tooLarge);
      await open?.terminate();
    },
  };
}
