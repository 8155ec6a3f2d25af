/**
 * Reads and validates bodies in threads, each within a time limit that grows with the body. A body that takes longer
 * costs the thread its life; its sender is told, and nothing was sent. Waiting bodies take their turns by holder, so that
 * one caller's slow bodies delay another one's at most by those that run.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { createFairPool } from "@sticky-proxy/core/budgets";
import type { Pointer } from "@sticky-proxy/protocol/json";
import { Problem } from "@sticky-proxy/protocol";
import { after } from "@sticky-proxy/runtime";
import type { SchemaFault } from "./body-schema.ts";
import type { SchemaAnswer, SchemaJob } from "./schema-worker.ts";

export interface BodyToCheck {
  /** null: the body is only read. */
  readonly schema: Readonly<Record<string, unknown>> | null;
  readonly body: Uint8Array;
  /** All faults are told; else the first one. */
  readonly isSmall: boolean;
  readonly address: Pointer | null;
  /** Whose turn it is. */
  readonly holder: string;
}

export interface CheckedBody {
  readonly faults: readonly SchemaFault[];
  /** Where the callback's address cannot stand; null: it can. */
  readonly blocked: string | null;
}

export interface BodyValidator {
  /** @throws Problem malformed-json, validation-timeout, over-budget */
  check(body: BodyToCheck): Promise<CheckedBody>;
}

interface Job extends BodyToCheck {
  readonly id: number;
  readonly resolve: (checked: CheckedBody) => void;
  readonly reject: (problem: Problem) => void;
}

interface Thread {
  readonly worker: Worker;
  /** Schemas that it has. */
  readonly known: Set<number>;
  job: Job | null;
  cancelTimeout: () => void;
}

const maxWaiting = 256;
const bytesPerMs = 10_000;

/** Bodies that wait for a thread: bounded, and taken in turns. */
interface Turns {
  /** false: too many wait, or too many of this holder. */
  add(job: Job): boolean;
  /** The longest waiting one of the holder whose turn is longest ago; undefined: nobody waits. */
  take(): Job | undefined;
}

function createTurns(): Turns {
  const places = createFairPool(maxWaiting);
  const queue: Job[] = [];
  /** When each holder had its last turn. */
  const turns = new Map<string, number>();
  let count = 0;
  return {
    add(job) {
      if (!places.take(job.holder, 1)) return false;
      queue.push(job);
      return true;
    },
    take() {
      const turnOf = ({ holder }: Job): number => turns.get(holder) ?? 0;
      let at = 0;
      for (let i = 1; i < queue.length; i += 1) if (turnOf(queue[i]!) < turnOf(queue[at]!)) at = i;
      const [job] = queue.splice(at, 1);
      if (job === undefined) return undefined;
      places.give(job.holder, 1);
      turns.delete(job.holder); // to the end of the order, which is the order of forgetting
      turns.set(job.holder, (count += 1));
      if (turns.size > 2 * maxWaiting) turns.delete(turns.keys().next().value!);
      return job;
    },
  };
}

export function createBodyValidator({
  limitMs,
  threads = Math.min(4, Math.max(1, availableParallelism() - 1)),
}: {
  /** For a small body; 10 kB more have a millisecond more. */
  readonly limitMs: number;
  readonly threads?: number;
}): BodyValidator {
  const open = new Set<Thread>();
  const waiting = createTurns();
  const schemaIds = new WeakMap<object, number>();
  let ids = 0;

  function schemaIdOf(schema: object): number {
    let id = schemaIds.get(schema);
    if (id === undefined) schemaIds.set(schema, (id = ids += 1));
    return id;
  }

  function start(): Thread {
    const worker = new Worker(new URL("./schema-worker.ts", import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 512 },
      execArgv: [],
    });
    const thread: Thread = { worker, known: new Set(), job: null, cancelTimeout: () => undefined };
    worker.on("message", (answer: SchemaAnswer) => heard(thread, answer));
    // Out of memory, or a bug that one body found: that body is not validated, the next ones are.
    worker.on("error", () => end(thread));
    worker.on("exit", () => end(thread));
    worker.unref(); // after its listeners, which would hold the process
    open.add(thread);
    return thread;
  }

  function end(thread: Thread): void {
    if (!open.delete(thread)) return;
    settle(thread, (job) => job.reject(tooLong()));
    void thread.worker.terminate();
  }

  function heard(thread: Thread, answer: SchemaAnswer): void {
    if (thread.job?.id !== answer.id) return;
    if (answer.kind === "started") {
      thread.cancelTimeout = after(limitMs + thread.job.body.length / bytesPerMs, () => end(thread));
      return;
    }
    settle(thread, (job) =>
      answer.kind === "checked"
        ? job.resolve(answer)
        : job.reject(new Problem("malformed-json", { detail: answer.detail })),
    );
  }

  function settle(thread: Thread, tell: (job: Job) => void): void {
    const { job } = thread;
    thread.cancelTimeout();
    thread.job = null;
    if (job !== null) tell(job);
    next();
  }

  function next(): void {
    for (;;) {
      const idle = [...open].find(({ job }) => job === null);
      if (idle === undefined && open.size >= threads) return;
      const job = waiting.take();
      if (job === undefined) return;
      run(idle ?? start(), job);
    }
  }

  function run(thread: Thread, job: Job): void {
    thread.job = job;
    const schemaId = job.schema === null ? null : schemaIdOf(job.schema);
    const isKnown = schemaId === null || thread.known.has(schemaId);
    if (schemaId !== null) thread.known.add(schemaId);
    const message: SchemaJob = {
      id: job.id,
      schemaId,
      schema: isKnown ? null : job.schema,
      body: job.body,
      isSmall: job.isSmall,
      address: job.address,
    };
    thread.worker.postMessage(message);
  }

  return {
    check: (body) =>
      new Promise((resolve, reject) => {
        if (waiting.add({ ...body, id: (ids += 1), resolve, reject })) next();
        else reject(tooMany());
      }),
  };
}

function tooMany(): Problem {
  return new Problem("over-budget", {
    detail: "Too many bodies wait for their validation.",
    headers: { "Retry-After": "1" },
  });
}

function tooLong(): Problem {
  return new Problem("validation-timeout", { headers: { "Retry-After": "10" } });
}
