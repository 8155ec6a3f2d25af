/**
 * The process API: any replica answers for any process. A process's state is never the status code of its status
 * page; only `/result` speaks with the service's own code.
 */
import Router from "@koa/router";
import { createHash, type KeyObject } from "node:crypto";
import { headerLines, headerList, type HeaderList } from "@sticky-proxy/core/http";
import {
  isTerminal,
  processId,
  type ProcessRecord,
  type ProcessRef,
  type Snapshot,
  type StoredRequest,
} from "@sticky-proxy/core/process";
import type { Service } from "@sticky-proxy/core/registry";
import { partitionOf } from "@sticky-proxy/core/idempotency";
import { readableFor, waitFor, type Processes, type WaitDeps, type Pacing } from "@sticky-proxy/engine";
import {
  lowerFields,
  matchesVersionTag,
  parseJsonRequest,
  parseProcessId,
  Problem,
  processApiPath,
  processLinks,
  readIdempotencyKey,
  readPrefer,
} from "@sticky-proxy/protocol";
import type { Context } from "koa";
import {
  acceptedReply,
  endProblem,
  expiredProblem,
  processFields,
  problemFields,
  resultReply,
  storedResult,
} from "../submit/process-reply.ts";
import type { Reply } from "../reply.ts";
import { lookupRoute } from "./lookup.ts";
import { isPast, maxHoldMs, statusReply } from "./status-reply.ts";
import { createOwnership } from "./ownership.ts";
import { selectRange } from "./select-range.ts";
import type { Waiters } from "../submit/waiters.ts";
import { eventStream } from "./event-stream.ts";

export interface ProcessRouteDeps {
  readonly processes: Processes;
  readonly waiting: WaitDeps;
  readonly waiters: Waiters;
  readonly pacing: Pick<Pacing, "pausedMs">;
  readonly secret: KeyObject;
  /** Runs a re-run that this node has begun; looked after by the executor, never rejects. */
  readonly execute: (record: ProcessRecord, request: StoredRequest) => void;
  /** Tells the service that its work is not wanted any more; never rejects. */
  readonly tellCancelled: (record: ProcessRecord) => void;
  readonly findService: (name: string) => Service | null;
  /** The caller's tenant. */
  readonly tenantOf: (ctx: Context) => string;
  readonly readBody: (ctx: Context, maxBytes: number) => Promise<Uint8Array>;
  readonly write: (ctx: Context, reply: Reply) => void;
  /** Aborts when the client is gone or the node drains. */
  readonly endOf: (ctx: Context) => AbortSignal;
}

const rerunMemoryMs = 24 * 3_600_000;

export function processRoutes(deps: ProcessRouteDeps): Router {
  const { processes, waiting, write } = deps;
  const ownership = createOwnership(deps);
  const router = new Router({ prefix: processApiPath });

  /** null: this node holds as many clients as it may, so the poll is answered at once. */
  async function held(
    ctx: Context,
    record: ProcessRecord,
    isEnough: (snapshot: Snapshot) => boolean,
    { waitMs, withResult }: { readonly waitMs: number; readonly withResult: boolean },
  ): Promise<Snapshot | null> {
    const release = deps.waiters.hold(record.service);
    if (release === null) return null;
    try {
      return await waitFor(waiting, record, isEnough, {
        timeoutMs: Math.min(waitMs, maxHoldMs),
        signal: deps.endOf(ctx),
        withResult,
      });
    } finally {
      release();
    }
  }

  function refOf(ctx: Context & { params: Record<string, string> }): ProcessRef {
    const id = parseProcessId(ctx.params["id"] ?? "");
    if (id === null || partitionOf(id.scope, processes.store.partitions) !== id.partition) {
      throw new Problem("process-not-found");
    }
    return id;
  }

  /** Another tenant's process looks like none. */
  function mine(ctx: Context, snapshot: Snapshot): ProcessRecord {
    const { record } = snapshot;
    if (record === null || record.tenant !== deps.tenantOf(ctx)) throw new Problem("process-not-found");
    ownership.mayRead(linesOf(ctx), record);
    return record;
  }

  async function find(ctx: Context & { params: Record<string, string> }): Promise<ProcessRecord> {
    const record = mine(ctx, await processes.read(refOf(ctx), { withResult: false }));
    if (isPast(record, processes.now())) throw expiredProblem(record, false);
    return record;
  }

  /** @throws Problem forbidden for a stranger, process-not-found */
  async function findOwn(ctx: Context & { params: Record<string, string> }): Promise<ProcessRecord> {
    const record = await find(ctx);
    ownership.mayChange(linesOf(ctx), record);
    return record;
  }

  router.get("/:id", async (ctx) => {
    if (ctx.accepts("json", "text/event-stream") === "text/event-stream") {
      const record = await find(ctx);
      const headers: HeaderList = [
        ["Content-Type", "text/event-stream"],
        ["Cache-Control", "no-store"],
        ["X-Accel-Buffering", "no"],
        ...processFields(record, "gateway", false),
      ];
      if (ctx.method === "HEAD") {
        write(ctx, { status: 200, headers, body: null });
        return;
      }
      const seen = lastEventOf(ctx.get("last-event-id"), record);
      const release = deps.waiters.hold(record.service);
      const end = release === null ? AbortSignal.abort() : deps.endOf(ctx);
      const stream = eventStream(waiting, record, seen, end);
      stream.once("close", () => release?.());
      write(ctx, { status: 200, headers, body: stream });
      return;
    }
    const known = headerLines(linesOf(ctx), "if-none-match");
    let record = await find(ctx);
    const { waitMs } = readPrefer(headerLines(linesOf(ctx), lowerFields.prefer));
    if (waitMs !== null && !isTerminal(record.status)) {
      const isNews = ({ record: now }: Snapshot): boolean =>
        now === null ||
        isTerminal(now.status) ||
        (known.length > 0 && !matchesVersionTag(known, now.version));
      const snapshot = await held(ctx, record, isNews, { waitMs, withResult: false });
      if (snapshot !== null) record = snapshot.record ?? vanished(record);
    }
    write(ctx, statusReply(record, known, waitMs));
  });

  router.get("/:id/result", async (ctx) => {
    const { waitMs } = readPrefer(headerLines(linesOf(ctx), lowerFields.prefer));
    const ref = refOf(ctx);
    const first = await processes.read(ref, { withResult: true });
    let record = mine(ctx, first);
    let { result } = first;
    if (waitMs !== null && !isTerminal(record.status)) {
      const isOver = ({ record: now }: Snapshot): boolean => now === null || isTerminal(now.status);
      const snapshot = await held(ctx, record, isOver, { waitMs, withResult: true });
      if (snapshot !== null) {
        record = snapshot.record ?? vanished(record);
        result = snapshot.result;
      }
    }
    const applied = waitMs === null ? null : { respondAsync: false, waitMs: Math.min(waitMs, maxHoldMs) };
    if (!isTerminal(record.status)) {
      write(ctx, acceptedReply(record, applied, false));
      return;
    }
    if (isPast(record, processes.now())) throw expiredProblem(record, true);
    const stored = storedResult(record, result);
    if (stored === null) throw endProblem(record, true);
    const lines = linesOf(ctx);
    const readable = readableFor(lines, stored);
    const shown = { ...readable, headers: ownership.withoutCookies(lines, record, readable.headers) };
    write(ctx, selectRange(ctx.method, lines, resultReply(record, shown, { replayed: true, applied })));
  });

  router.post("/:id/cancel", async (ctx) => {
    const record = await findOwn(ctx);
    const applied = await processes.apply(record, { type: "cancelled" });
    if (applied.kind === "gone") throw new Problem("process-not-found");
    if (applied.kind === "refused") {
      throw new Problem("process-terminal", {
        processId: processId(record),
        service: record.service,
        headers: problemFields(applied.record, false),
      });
    }
    if (applied.kind === "applied") deps.tellCancelled(applied.from);
    write(ctx, statusReply(applied.record, [], null));
  });

  router.post("/:id/rerun", async (ctx) => {
    const record = await findOwn(ctx);
    const lines = linesOf(ctx);
    const key = readIdempotencyKey(
      headerLines(lines, lowerFields.idempotencyKey),
      headerLines(lines, lowerFields.xIdempotencyKey),
    );
    const { cancelRunning } = readRerun(lines, await deps.readBody(ctx, 4096));
    const call = key === null ? null : rerunCall(record, key, cancelRunning);
    if (call !== null) {
      const earlier = await processes.store.correlated("@rerun", call.memory);
      const snapshot = earlier === null ? null : await processes.read(earlier, { withResult: false });
      if (snapshot?.record) {
        write(ctx, acceptedReply(snapshot.record, null, true));
        return;
      }
      if ((await processes.store.correlated("@rerun", call.otherwise)) !== null) {
        throw new Problem("idempotency-key-reused", {
          processId: processId(record),
          service: record.service,
          headers: problemFields(record, false),
        });
      }
    }
    const begun = await processes.rerun(record, {
      cancelRunning,
      key: call?.name ?? null,
      pausedMs: deps.pacing.pausedMs(record.service),
    });
    switch (begun.verdict) {
      case "superseded":
      case "running":
        throw new Problem("process-running", {
          processId: processId(begun.record),
          service: begun.record.service,
          headers: {
            ...problemFields(begun.record, false),
            Link: `<${processLinks(processId(begun.record), "").self}>; rel="status"`,
          },
        });
      case "repeat":
        write(ctx, acceptedReply(begun.record, null, true));
        return;
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
        if (call !== null)
          await processes.store.correlate("@rerun", call.memory, begun.record, rerunMemoryMs);
        write(ctx, acceptedReply(begun.record, null, false));
    }
  });

  router.delete("/:id", async (ctx) => {
    const record = await findOwn(ctx);
    if (!isTerminal(record.status)) {
      throw new Problem("process-running", {
        processId: processId(record),
        service: record.service,
        headers: problemFields(record, false),
      });
    }
    if (!(await processes.store.purge(record))) {
      throw new Problem("process-running", {
        processId: processId(record),
        service: record.service,
        detail: "The process has just changed.",
      });
    }
    write(ctx, { status: 204, headers: processFields(record, "gateway", false), body: null });
  });

  router.post("\\:lookup", lookupRoute(deps, ownership));

  return router;
}

/** One call for a re-run under a key of its own: where it is remembered, and where it would be with the other body. */
function rerunCall(record: ProcessRecord, key: string, cancelRunning: boolean) {
  const memory = (flag: boolean): string => `${processId(record)} ${key} ${flag}`;
  const digest = createHash("sha256").update(memory(cancelRunning)).digest("base64url");
  return {
    memory: memory(cancelRunning),
    otherwise: memory(!cancelRunning),
    /** Stands in the new process from its birth: the memory is written after it. */
    name: digest.slice(0, 22),
  };
}

/** It was there when the wait began, so it is not "no" that it executed. */
function vanished({ service }: ProcessRecord): never {
  throw new Problem("process-not-found", {
    service,
    detail: "The store has no record of the process any more.",
    executed: "unknown",
  });
}

/** The version that the client has; 0 for what this process never told: everything is news. */
function lastEventOf(id: string, record: ProcessRecord): number {
  const seen = /^[0-9]{1,15}$/.test(id) ? Number(id) : 0;
  return seen <= record.version ? seen : 0;
}

function linesOf(ctx: Context): HeaderList {
  return headerList(ctx.req.rawHeaders);
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
