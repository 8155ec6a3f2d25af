/** The worker thread that compares: all work whose cost depends on a body is done here, never on the main thread. */
import { parentPort } from "node:worker_threads";
import type { ComparePolicy } from "@sticky-proxy/core/registry";
import {
  type Comparison,
  compareAnswers,
  compileMasks,
  redactor,
  sha256,
  walkBounds,
} from "@sticky-proxy/core/mirror";
import type { HeaderList } from "@sticky-proxy/core/http";
import { comparableBody } from "./decode.ts";

export interface WorkerAnswer {
  readonly status: number;
  readonly headers: HeaderList;
  /** As received; null: larger than the limit. */
  readonly body: Uint8Array | null;
}

export interface CompareJob {
  readonly id: number;
  readonly primary: WorkerAnswer;
  readonly secondary: WorkerAnswer;
  readonly policy: ComparePolicy;
  readonly redactKey: string;
}

export interface BodyFacts {
  readonly sha256: string | null;
  readonly bytes: number | null;
}

export interface CompareDone {
  readonly id: number;
  readonly comparison: Comparison;
  readonly primary: BodyFacts;
  readonly secondary: BodyFacts;
}

parentPort?.on("message", (job: CompareJob) => {
  parentPort!.postMessage(compareJob(job));
});

export function compareJob({ id, primary, secondary, policy, redactKey }: CompareJob): CompareDone {
  const until = performance.now() + walkBounds.maxMs;
  const comparison = compareAnswers(decoded(primary), decoded(secondary), {
    policy,
    masks: compileMasks(policy),
    budget: {
      maxNodes: walkBounds.maxNodes,
      maxEdits: Math.min(policy.maxDifferences, walkBounds.maxEdits),
      isOver: () => performance.now() > until,
    },
    show: redactor(redactKey),
    redactKey,
  });
  return { id, comparison, primary: factsOf(primary), secondary: factsOf(secondary) };
}

function decoded(answer: WorkerAnswer): WorkerAnswer {
  return answer.body === null ? answer : { ...answer, body: comparableBody(answer.headers, answer.body) };
}

function factsOf({ body }: WorkerAnswer): BodyFacts {
  return body === null ? { sha256: null, bytes: null } : { sha256: sha256(body), bytes: body.length };
}
