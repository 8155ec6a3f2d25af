/**
 * The process API: any replica answers for any process. The status page answers 200 in every state of a process; only
 * `/result` answers with the service's own status code.
 */
import Router from "@koa/router";
import { headerLines, type HeaderList } from "@sticky-proxy/core/http";
import { isTerminal, processId, type ProcessRecord, type Snapshot } from "@sticky-proxy/core/process";
import { readableFor } from "@sticky-proxy/engine";
import { lowerFields, matchesVersionTag, Problem, processApiPath, readPrefer } from "@sticky-proxy/protocol";
import {
  acceptedReply,
  endProblem,
  expiredProblem,
  processFields,
  problemFields,
  resultReply,
  storedResult,
} from "../submit/process-reply.ts";
import { eventStream } from "./event-stream.ts";
import { lookupRoute, type LookupDeps } from "./lookup.ts";
import { createProcessAccess, type ProcessAccess, type ProcessAccessDeps } from "./process-access.ts";
import { rerunRoute, type RerunDeps } from "./rerun.ts";
import { holderOf, linesOf, type RouteContext } from "./route-context.ts";
import { selectRange } from "./select-range.ts";
import type { Waiters } from "../submit/waiters.ts";
import { isPast, maxWaitMs, statusReply } from "./status-reply.ts";

export interface ProcessRouteDeps extends ProcessAccessDeps, RerunDeps, Pick<LookupDeps, "formerScopes"> {
  /** Open event streams of this node. */
  readonly streams: Waiters;
}

export function processRoutes(deps: ProcessRouteDeps): Router {
  const access = createProcessAccess(deps);
  const router = new Router({ prefix: processApiPath });
  /** Every call says first who makes it. */
  const known =
    (handle: (ctx: RouteContext) => Promise<void>) =>
    async (ctx: RouteContext): Promise<void> => {
      await deps.callers.identify(ctx);
      await handle(ctx);
    };
  const show = (ctx: RouteContext): Promise<void> =>
    ctx.accepts("json", "text/event-stream") === "text/event-stream"
      ? streamEvents(deps, access, ctx)
      : getProcess(deps, access, ctx);
  router.get("/:id", known(show));
  router.get(
    "/:id/result",
    known((ctx) => getResult(deps, access, ctx)),
  );
  router.post(
    "/:id/cancel",
    known((ctx) => cancelProcess(deps, access, ctx)),
  );
  router.post("/:id/rerun", known(rerunRoute(deps, access)));
  router.delete(
    "/:id",
    known((ctx) => forgetProcess(deps, access, ctx)),
  );
  router.post("\\:lookup", known(lookupRoute(deps, access.ownership)));
  return router;
}

/** One event for each version of the process, until it ends. */
async function streamEvents(deps: ProcessRouteDeps, access: ProcessAccess, ctx: RouteContext): Promise<void> {
  const record = await access.find(ctx);
  const headers: HeaderList = [
    ["Content-Type", "text/event-stream"],
    ["Cache-Control", "no-store"],
    ["X-Accel-Buffering", "no"],
    ...processFields(record, "gateway", false),
  ];
  if (ctx.method === "HEAD") return deps.write(ctx, { status: 200, headers, body: null });
  const seen = lastEventOf(ctx.get("last-event-id"), record);
  // 204 tells an EventSource to stop: it would open a stream that has ended again every second, for ever.
  if (isTerminal(record.status) && seen === record.version)
    return deps.write(ctx, { status: 204, headers: processFields(record, "gateway", false), body: null });
  const leave = deps.streams.enter(record.service, holderOf(ctx));
  // No more streams may be open here: this one ends after the current version.
  const end = leave === null ? AbortSignal.abort() : deps.endOf(ctx);
  const stream = eventStream(deps.waiting, record, seen, end);
  stream.once("close", () => leave?.());
  deps.write(ctx, { status: 200, headers, body: stream });
}

/** The state of a process; with `Prefer: wait` a long poll for its end, or with If-None-Match for its next version. */
async function getProcess(deps: ProcessRouteDeps, access: ProcessAccess, ctx: RouteContext): Promise<void> {
  const lines = linesOf(ctx);
  const known = headerLines(lines, "if-none-match");
  const record = await access.find(ctx);
  const { waitMs } = readPrefer(headerLines(lines, lowerFields.prefer));
  const isNews = ({ record: now }: Snapshot): boolean =>
    now === null || isTerminal(now.status) || (known.length > 0 && !matchesVersionTag(known, now.version));
  const changed =
    waitMs === null || isTerminal(record.status)
      ? null
      : await access.awaitChange(ctx, record, isNews, { waitMs, withResult: false });
  deps.write(ctx, statusReply(changed?.record ?? record, known, waitMs));
}

/** The service's own answer, or 202 while the process runs. @throws Problem that the process ended with */
async function getResult(deps: ProcessRouteDeps, access: ProcessAccess, ctx: RouteContext): Promise<void> {
  const lines = linesOf(ctx);
  const { waitMs } = readPrefer(headerLines(lines, lowerFields.prefer));
  const first = await access.findWithResult(ctx);
  const isOver = ({ record: now }: Snapshot): boolean => now === null || isTerminal(now.status);
  const awaited =
    waitMs === null || isTerminal(first.record.status)
      ? null
      : await access.awaitChange(ctx, first.record, isOver, { waitMs, withResult: true });
  const { record, result } = awaited ?? first;
  const applied = waitMs === null ? null : { respondAsync: false, waitMs: Math.min(waitMs, maxWaitMs) };
  if (!isTerminal(record.status)) return deps.write(ctx, acceptedReply(record, applied, false));
  if (isPast(record, deps.processes.now())) throw expiredProblem(record, true);
  const stored = storedResult(record, result);
  if (stored === null) throw endProblem(record, true);
  const readable = readableFor(lines, stored);
  const shown = { ...readable, headers: access.ownership.withoutCookies(ctx, record, readable.headers) };
  const reply = resultReply(record, shown, { replayed: true, applied });
  deps.write(ctx, selectRange(ctx.method, lines, reply));
}

/** @throws Problem process-terminal, forbidden */
async function cancelProcess(
  deps: ProcessRouteDeps,
  access: ProcessAccess,
  ctx: RouteContext,
): Promise<void> {
  const record = await access.findOwn(ctx, "cancel");
  const applied = await deps.processes.apply(record, { type: "cancelled" });
  if (applied.kind === "gone") throw new Problem("process-not-found");
  if (applied.kind === "refused") {
    throw new Problem("process-terminal", {
      processId: processId(record),
      service: record.service,
      headers: problemFields(applied.record, false),
    });
  }
  if (applied.kind === "applied") deps.tellCancelled(applied.from);
  deps.write(ctx, statusReply(applied.record, [], null));
}

/** @throws Problem process-running, forbidden */
async function forgetProcess(
  deps: ProcessRouteDeps,
  access: ProcessAccess,
  ctx: RouteContext,
): Promise<void> {
  const record = await access.findOwn(ctx, "cancel");
  const named = { processId: processId(record), service: record.service };
  if (!isTerminal(record.status)) {
    throw new Problem("process-running", { ...named, headers: problemFields(record, false) });
  }
  if (!(await deps.processes.store.purge(record))) {
    throw new Problem("process-running", { ...named, detail: "The process has just changed." });
  }
  deps.write(ctx, { status: 204, headers: processFields(record, "gateway", false), body: null });
}

/** The version in Last-Event-ID; 0, so that every version is sent, where the process never had such a version. */
function lastEventOf(id: string, record: ProcessRecord): number {
  const seen = /^[0-9]{1,15}$/.test(id) ? Number(id) : 0;
  return seen <= record.version ? seen : 0;
}
