/** The second backend: coverage, differences by place, one side by side, parked keys, gaps. */
import {
  coverageView,
  differenceClasses,
  differenceView,
  gapView,
  parkedView,
  type DifferenceClass,
} from "@sticky-proxy/core/mirror";
import {
  acknowledgeDifference,
  exportDifferences,
  groupDifferences,
  listDifferences,
  listGaps,
  listParkedKeys,
  mirrorCoverage,
  showDifference,
  skipParked,
  unparkKey,
  verifyMirror,
} from "@sticky-proxy/operations";
import { Readable } from "node:stream";
import { Problem } from "@sticky-proxy/protocol";
import type { AdminDeps } from "../deps.ts";
import type { PageQuery } from "../http/pages.ts";
import { route, type Route } from "../http/route.ts";
import { readSpan } from "../http/spans.ts";
import {
  anyObject,
  answerObject,
  list,
  object,
  pageOf,
  pageSize,
  pageToken,
  reason,
  text,
} from "./schemas.ts";

interface Since {
  readonly since?: string;
}
interface Filter extends Since {
  readonly service?: string;
  readonly route?: string;
  readonly class?: DifferenceClass;
  readonly place?: string;
  readonly open?: boolean;
}

const since = { type: "string", maxLength: 30, description: "Only the last 24h, 7d, …" };
const filterSchema = {
  since,
  service: text(64),
  route: text(200),
  class: { type: "string", enum: differenceClasses },
  place: text(500),
  open: { type: "boolean" },
};

const sinceMs = (query: Since): number | null =>
  query.since === undefined ? null : readSpan(query.since, "since");
const filterOf = (query: Filter) => ({
  sinceMs: sinceMs(query),
  service: query.service ?? null,
  route: query.route ?? null,
  class: query.class ?? null,
  path: query.place ?? null,
  open: query.open ?? false,
});

const reading = (path: string, operationId: string, summary: string) =>
  ({ method: "GET", path: `/mirror${path}`, role: "viewer", operationId, summary }) as const;

export function mirrorRoutes(deps: AdminDeps): readonly Route[] {
  return [...readingRoutes(deps), ...acknowledging(deps), ...outboxRoutes(deps)];
}

function readingRoutes({ mirror, pages, now }: AdminDeps): readonly Route[] {
  return [
    route<Since & { service?: string }>({
      ...reading("", "showCoverage", "How much was compared, by service and route"),
      query: object({ since, service: text(64) }),
      answer: answerObject({ rows: list(anyObject) }),
      async run({ query }) {
        const rows = await mirrorCoverage(mirror, {
          sinceMs: sinceMs(query),
          service: query.service ?? null,
        });
        return { status: 200, body: { rows: rows.map(coverageView) } };
      },
    }),
    route({
      ...reading("\\:verify", "verifyMirror", "Whether the record of differences is as it was written"),
      answer: answerObject({ links: { type: "integer" }, broken: list({ type: "string" }) }),
      async run() {
        return { status: 200, body: await verifyMirror(mirror) };
      },
    }),
    route<Since>({
      ...reading("/groups", "groupDifferences", "Places that differ, most frequent first"),
      query: object({ since }),
      answer: answerObject({ groups: list(anyObject) }),
      async run({ query }) {
        return { status: 200, body: { groups: await groupDifferences(mirror, { sinceMs: sinceMs(query) }) } };
      },
    }),
    route<Filter & PageQuery>({
      ...reading("/differences", "listDifferences", "Differences, newest first"),
      query: object({ ...filterSchema, pageSize, pageToken }),
      answer: pageOf(anyObject),
      async run({ query }) {
        const { cursor, asOf } = pages.open("differences", query, await now());
        const found = await listDifferences(mirror, filterOf(query), { limit: query.pageSize, cursor });
        return {
          status: 200,
          body: {
            items: found.items.map(differenceView),
            nextPageToken: pages.seal("differences", query, found.next, asOf),
            totalSize: null,
            isEstimate: true,
            asOf: new Date(asOf).toISOString(),
          },
        };
      },
    }),
    route({
      ...reading("/differences/:id", "showDifference", "One difference with both sides"),
      role: "operator",
      answer: anyObject,
      problems: ["process-not-found"],
      async run({ params }) {
        const found = await showDifference(mirror, params["id"]!);
        if (found === null) throw new Problem("process-not-found", { detail: "there is no such difference" });
        return { status: 200, body: differenceView(found) };
      },
    }),
    route<Filter>({
      ...reading("/differences\\:export", "exportDifferences", "All that match as NDJSON, newest first"),
      role: "operator",
      query: object(filterSchema),
      async run({ query }) {
        async function* lines() {
          for await (const found of exportDifferences(mirror, filterOf(query)))
            yield `${JSON.stringify(differenceView(found))}\n`;
        }
        return {
          status: 200,
          stream: Readable.from(lines()),
          headers: { "Content-Type": "application/x-ndjson", "Content-Disposition": "attachment" },
        };
      },
    }),
  ];
}

function acknowledging({ mirror }: AdminDeps): readonly Route[] {
  return [
    route<unknown, { reason: string }>({
      method: "POST",
      path: "/mirror/differences/:id\\:acknowledge",
      role: "operator",
      operationId: "acknowledgeDifference",
      summary: "Marks a difference as looked at",
      body: object({ reason }, ["reason"]),
      answer: anyObject,
      problems: ["process-not-found"],
      audit: ({ params, body }) => ({
        action: "difference.acknowledge",
        target: params["id"]!,
        reason: body.reason,
      }),
      async run({ params, body, actor }) {
        const found = await acknowledgeDifference(mirror, params["id"]!, {
          by: actor.name,
          note: body.reason,
        });
        if (found === null) throw new Problem("process-not-found", { detail: "there is no such difference" });
        return { status: 200, body: differenceView(found) };
      },
    }),
  ];
}

function outboxRoutes({ mirror }: AdminDeps): readonly Route[] {
  return [
    route({
      ...reading("/parked", "listParkedKeys", "Keys that stand aside, longest first"),
      answer: answerObject({ items: list(anyObject) }),
      async run() {
        const keys = await listParkedKeys(mirror, { limit: 200 });
        return { status: 200, body: { items: keys.map(parkedView) } };
      },
    }),
    route({
      ...reading("/gaps", "listGaps", "What was not copied, newest first"),
      answer: answerObject({ items: list(anyObject) }),
      async run() {
        return { status: 200, body: { items: (await listGaps(mirror, { limit: 200 })).map(gapView) } };
      },
    }),
    route<unknown, { reason: string }>({
      method: "POST",
      path: "/mirror/parked/:key\\:unpark",
      role: "operator",
      operationId: "unparkKey",
      summary: "Makes a parked key due now, with fresh tries",
      body: object({ reason }, ["reason"]),
      answer: anyObject,
      problems: ["process-not-found", "invalid-parameter"],
      audit: ({ params, body }) => ({ action: "mirror.unpark", target: params["key"]!, reason: body.reason }),
      async run({ params }) {
        const done = await unparkKey(mirror, params["key"]!);
        if (done === "invalid-name") throw new Problem("invalid-parameter", { detail: "that names no key" });
        if (done === "not-parked")
          throw new Problem("process-not-found", { detail: "the key is not parked" });
        return { status: 200, body: { result: done } };
      },
    }),
    route<unknown, { reason: string }>({
      method: "POST",
      path: "/mirror/parked/:key\\:skip",
      role: "operator",
      operationId: "skipParked",
      summary: "Drops a parked key's first copy, which is recorded with actor and reason",
      body: object({ reason }, ["reason"]),
      answer: anyObject,
      problems: ["process-not-found", "invalid-parameter"],
      audit: ({ params, body }) => ({ action: "mirror.skip", target: params["key"]!, reason: body.reason }),
      async run({ params, body, actor }) {
        const done = await skipParked(mirror, params["key"]!, { by: actor.name, why: body.reason });
        if (done === "invalid-name") throw new Problem("invalid-parameter", { detail: "that names no key" });
        if (done === "not-parked")
          throw new Problem("process-not-found", { detail: "the key is not parked" });
        return { status: 200, body: { result: done } };
      },
    }),
  ];
}
