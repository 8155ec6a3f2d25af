/** `POST /processes/{id}/rerun`: the stored request runs again, as a new process. */
import { createHash } from "node:crypto";
import { headerLines, type HeaderList } from "@sticky-proxy/core/http";
import { isTerminal, processId, type ProcessRecord, type StoredRequest } from "@sticky-proxy/core/process";
import { callerOf, type Pacing, type Processes } from "@sticky-proxy/engine";
import {
  lowerFields,
  parseJsonRequest,
  Problem,
  processLinks,
  readIdempotencyKey,
} from "@sticky-proxy/protocol";
import type { Context } from "koa";
import type { Reply } from "../reply.ts";
import { acceptedReply, problemFields } from "../submit/process-reply.ts";
import type { ProcessAccess } from "./process-access.ts";
import { linesOf, type RouteContext } from "./route-context.ts";

export interface RerunDeps {
  readonly processes: Processes;
  readonly pacing: Pick<Pacing, "pausedMs">;
  /** Runs a re-run that this node has begun; looked after by the executor, never rejects. */
  readonly execute: (record: ProcessRecord, request: StoredRequest) => void;
  /** Asks the service to stop its work; never rejects. */
  readonly tellCancelled: (record: ProcessRecord) => void;
  readonly readBody: (ctx: Context, maxBytes: number) => Promise<Uint8Array>;
  readonly write: (ctx: Context, reply: Reply) => void;
}

/** How long a re-run under a key is remembered. */
const rerunMemoryMs = 24 * 3_600_000;

/** A re-run under an idempotency key of its own. */
interface KeyedRerun {
  /** The name under which this call is remembered. */
  readonly memory: string;
  /** The entry of a call with the same key and the other body: finding it means that the key was reused. */
  readonly otherwise: string;
  /** Kept in the new process from its birth, because the entry is written only afterwards. */
  readonly name: string;
}

export function rerunRoute(deps: RerunDeps, access: ProcessAccess) {
  return async function rerunProcess(ctx: RouteContext): Promise<void> {
    const record = await access.findOwn(ctx, "force");
    const lines = linesOf(ctx);
    const key = readIdempotencyKey(
      headerLines(lines, lowerFields.idempotencyKey),
      headerLines(lines, lowerFields.xIdempotencyKey),
    );
    const { cancelRunning } = readRerun(lines, await deps.readBody(ctx, 4096));
    const keyed = key === null ? null : keyedRerun(record, key, cancelRunning);
    const earlier = keyed === null ? null : await earlierRerun(deps, record, keyed);
    if (earlier !== null) return deps.write(ctx, acceptedReply(earlier, null, true));
    deps.write(ctx, await beginRerun(deps, record, keyed, cancelRunning));
  };
}

/**
 * The process that an earlier call under the same key began; null: there was none.
 * @throws Problem idempotency-key-reused
 */
async function earlierRerun(
  { processes }: RerunDeps,
  record: ProcessRecord,
  keyed: KeyedRerun,
): Promise<ProcessRecord | null> {
  const ref = await processes.store.remembered(keyed.memory);
  const snapshot = ref === null ? null : await processes.read(ref, { withResult: false });
  if (snapshot?.record) return snapshot.record;
  if ((await processes.store.remembered(keyed.otherwise)) === null) return null;
  throw new Problem("idempotency-key-reused", {
    processId: processId(record),
    service: record.service,
    headers: problemFields(record, false),
  });
}

/** @throws Problem process-running, forbidden (the request was not kept) */
async function beginRerun(
  deps: RerunDeps,
  record: ProcessRecord,
  keyed: KeyedRerun | null,
  cancelRunning: boolean,
): Promise<Reply> {
  const { processes } = deps;
  const begun = await processes.rerun(record, {
    cancelRunning,
    key: keyed?.name ?? null,
    pausedMs: deps.pacing.pausedMs(record.service, callerOf(record)),
  });
  switch (begun.verdict) {
    case "superseded":
    case "running":
      throw runningProblem(begun.record);
    case "repeat":
      return acceptedReply(begun.record, null, true);
    case "no-request":
      throw new Problem("forbidden", {
        processId: processId(record),
        service: record.service,
        detail: "The request of this process was not kept, so it cannot be sent again.",
      });
    case "start":
      // Before anything else is awaited: the record is dispatched already, and must not wait for its lease to end.
      deps.execute(begun.record, begun.request);
      if (begun.superseded !== null && !isTerminal(begun.superseded.status))
        deps.tellCancelled(begun.superseded);
      if (keyed !== null) await processes.store.remember(keyed.memory, begun.record, rerunMemoryMs);
      return acceptedReply(begun.record, null, false);
  }
}

function runningProblem(record: ProcessRecord): Problem {
  const id = processId(record);
  return new Problem("process-running", {
    processId: id,
    service: record.service,
    headers: { ...problemFields(record, false), Link: `<${processLinks(id, "").self}>; rel="status"` },
  });
}

function keyedRerun(record: ProcessRecord, key: string, cancelRunning: boolean): KeyedRerun {
  const memory = (flag: boolean): string => `rerun ${processId(record)} ${key} ${flag}`;
  const digest = createHash("sha256").update(memory(cancelRunning)).digest("base64url");
  return { memory: memory(cancelRunning), otherwise: memory(!cancelRunning), name: digest.slice(0, 22) };
}

function readRerun(headers: HeaderList, body: Uint8Array): { cancelRunning: boolean } {
  if (body.length === 0) return { cancelRunning: false };
  const { cancelRunning, ...rest } = parseJsonRequest({ headers, body });
  if (Object.keys(rest).length > 0 || (cancelRunning !== undefined && typeof cancelRunning !== "boolean")) {
    throw new Problem("validation-failed", {
      detail: "The body may have only cancelRunning, true or false.",
    });
  }
  return { cancelRunning: cancelRunning ?? false };
}
