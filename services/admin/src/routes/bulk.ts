/** Bulk jobs: plan, look, start with the count that was seen, cancel. The filter is sent, never ids. */
import type { Executed } from "@sticky-proxy/protocol";
import {
  bulkActions,
  bulkState,
  startFault,
  type BulkAction,
  type BulkFilter,
  type BulkJob,
} from "@sticky-proxy/core/operators";
import type { DeadLetterClass } from "@sticky-proxy/core/process";
import { planBulk } from "@sticky-proxy/operations";
import { Problem } from "@sticky-proxy/protocol";
import type { AdminDeps } from "../deps.ts";
import { route, type Answer, type Route } from "../http/route.ts";
import { readSpan } from "../http/spans.ts";
import { deadLetterFilterSchema } from "./dead-letters.ts";
import { anyObject, answerObject, list, object, reason } from "./schemas.ts";

interface Wanted {
  readonly action: BulkAction;
  readonly filter: {
    readonly service?: string;
    readonly class?: DeadLetterClass;
    readonly executed?: Executed;
    readonly reason?: string;
    readonly ended?: string;
  };
}

/** Times as text, and how long it will still take at its rate. */
function jobView(job: BulkJob) {
  const left = Math.max(0, (job.plan?.count ?? 0) - job.done);
  const text = (at: number | undefined): string | null =>
    at === undefined ? null : new Date(at).toISOString();
  return {
    id: job.id,
    action: job.action,
    filter: job.filter,
    actor: job.actor,
    state: bulkState(job),
    createTime: text(job.createdAt),
    planTime: text(job.plan?.plannedAt),
    count: job.plan?.count ?? null,
    isCapped: job.plan?.isCapped ?? false,
    outlook: job.plan?.outlook ?? {},
    sample: job.plan?.sample ?? [],
    reason: job.start?.reason ?? null,
    ratePerSecond: job.start?.ratePerSecond ?? null,
    done: job.done,
    counts: job.counts,
    etaMs:
      job.start === null || job.end !== null ? null : Math.round((left / job.start.ratePerSecond) * 1000),
    endTime: text(job.end?.at),
    error: job.end?.error ?? null,
  };
}

function filterOf({ service, class: kind, executed, reason: why, ended }: Wanted["filter"]): BulkFilter {
  return {
    service: service ?? null,
    class: kind ?? null,
    executed: executed ?? null,
    reason: why ?? null,
    olderThanMs: ended === undefined ? null : readSpan(ended, "filter.ended"),
  };
}

export function bulkRoutes(deps: AdminDeps): readonly Route[] {
  return [planRoute(deps), ...readingRoutes(deps), startRoute(deps), cancelRoute(deps)];
}

/** @throws Problem process-not-found */
async function jobOf({ bulk }: AdminDeps, id: string): Promise<BulkJob> {
  const job = await bulk.jobs.get(id);
  if (job === null)
    throw new Problem("process-not-found", { detail: "there is no such job; jobs are kept for a week" });
  return job;
}

function planRoute(deps: AdminDeps): Route {
  const { bulk } = deps;
  return route<unknown, Wanted>({
    method: "POST",
    path: "/bulk",
    role: "operator",
    operationId: "planBulk",
    summary: "Plans an act on all that match: counts, changes nothing",
    body: object({ action: { type: "string", enum: bulkActions }, filter: object(deadLetterFilterSchema) }, [
      "action",
      "filter",
    ]),
    answer: anyObject,
    async run({ body, actor }): Promise<Answer> {
      const { action } = body;
      const filter = filterOf(body.filter);
      const job = { id: bulk.newId(), action, filter, actor: actor.name, createdAt: await deps.now() };
      await bulk.jobs.create(job);
      bulk.inBackground("plan", async () => bulk.jobs.planned(job.id, await planBulk(bulk.ports, job)));
      return { status: 202, body: jobView(await jobOf(deps, job.id)) };
    },
  });
}

function readingRoutes(deps: AdminDeps): readonly Route[] {
  const { bulk } = deps;
  return [
    route({
      method: "GET",
      path: "/bulk",
      role: "viewer",
      operationId: "listBulk",
      summary: "Bulk jobs of the last week, newest first",
      answer: answerObject({ items: list(anyObject) }),
      async run() {
        return { status: 200, body: { items: (await bulk.jobs.list()).map(jobView) } };
      },
    }),
    route({
      method: "GET",
      path: "/bulk/:id",
      role: "viewer",
      operationId: "showBulk",
      summary: "One job: its plan, and how far it is",
      answer: anyObject,
      problems: ["process-not-found"],
      async run({ params }) {
        return { status: 200, body: jobView(await jobOf(deps, params["id"]!)) };
      },
    }),
    route<{ after?: string; limit: number }>({
      method: "GET",
      path: "/bulk/:id/items",
      role: "viewer",
      operationId: "listBulkItems",
      summary: "What came of each item, in the order in which they were done",
      query: object({
        after: { type: "string", pattern: "^\\d{1,15}-\\d{1,10}$" },
        limit: { type: "integer", minimum: 1, maximum: 1000, default: 200 },
      }),
      answer: answerObject({ items: list(anyObject), next: { type: ["string", "null"] } }),
      problems: ["process-not-found"],
      async run({ params, query }) {
        await jobOf(deps, params["id"]!);
        const page = await bulk.jobs.items(params["id"]!, { limit: query.limit, after: query.after ?? null });
        return { status: 200, body: page };
      },
    }),
  ];
}

const faults = {
  planning: ["plan-stale", "the plan is still being made"],
  started: ["plan-stale", "it was started before"],
  stale: ["plan-stale", "the plan is older than ten minutes; plan it again"],
  count: ["invalid-parameter", "count is not what the plan counted; look at the plan again"],
} as const;

function startRoute(deps: AdminDeps): Route {
  const { bulk } = deps;
  return route<unknown, { reason: string; count: number; ratePerSecond: number }>({
    method: "POST",
    path: "/bulk/:id\\:start",
    role: "operator",
    operationId: "startBulk",
    summary: "Starts a planned job with the count that its plan shows",
    body: object(
      {
        reason,
        count: { type: "integer", minimum: 0 },
        ratePerSecond: { type: "integer", minimum: 1, maximum: 1000, default: 50 },
      },
      ["reason", "count"],
    ),
    answer: anyObject,
    problems: ["process-not-found", "plan-stale"],
    audit: ({ params, body }) => ({
      action: "bulk.start",
      target: `job ${params["id"]!}, ${body.count} items`,
      reason: body.reason,
    }),
    async run({ params, body }) {
      const job = await jobOf(deps, params["id"]!);
      const at = await deps.now();
      const fault = startFault(job, body.count, at);
      if (fault !== null) throw new Problem(faults[fault][0], { detail: faults[fault][1] });
      const { reason: why, ratePerSecond } = body;
      if (!(await bulk.jobs.start(job.id, { reason: why, ratePerSecond, at })))
        throw new Problem("plan-stale", { detail: faults.started[1] });
      return { status: 202, body: jobView(await jobOf(deps, job.id)) };
    },
  });
}

function cancelRoute(deps: AdminDeps): Route {
  const { bulk } = deps;
  return route({
    method: "POST",
    path: "/bulk/:id\\:cancel",
    role: "operator",
    operationId: "cancelBulk",
    summary: "Ends a job; what is done stands",
    answer: anyObject,
    problems: ["process-not-found"],
    audit: ({ params }) => ({ action: "bulk.cancel", target: `job ${params["id"]!}`, reason: "" }),
    async run({ params }) {
      const job = await jobOf(deps, params["id"]!);
      if (job.end !== null) return { status: 200, body: jobView(job) };
      await bulk.jobs.requestCancel(job.id);
      if (job.start === null)
        await bulk.jobs.end(job.id, { state: "cancelled", at: await deps.now(), error: null });
      return { status: 202, body: jobView(await jobOf(deps, job.id)) };
    },
  });
}
