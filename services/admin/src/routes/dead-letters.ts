/** Dead letters: groups, items, and what is done with one of them. Bulk work is bulk.ts's. */
import type { Executed } from "@sticky-proxy/protocol";
import type { DeadLetterClass } from "@sticky-proxy/core/process";
import {
  anyDeadLetter,
  discardDeadLetter,
  groupDeadLetters,
  listDeadLetters,
  redriveDeadLetter,
  type DeadLetterFilter,
} from "@sticky-proxy/operations";
import { Problem } from "@sticky-proxy/protocol";
import type { AdminDeps } from "../deps.ts";
import type { PageQuery } from "../http/pages.ts";
import { route, type Route } from "../http/route.ts";
import { readSpan } from "../http/spans.ts";
import { readSeen } from "./process-acts.ts";
import { detailView, listView } from "./process-view.ts";
import {
  anyObject,
  answerObject,
  executed,
  list,
  object,
  pageOf,
  pageSize,
  pageToken,
  reason,
  text,
} from "./schemas.ts";

interface Filter {
  readonly service?: string;
  readonly class?: DeadLetterClass;
  readonly executed?: Executed;
  readonly reason?: string;
  /** At least so long ago. */
  readonly ended?: string;
}

export const deadLetterFilterSchema = {
  service: text(64),
  class: { type: "string", enum: ["upstream", "callback", "internal"] },
  executed,
  reason: text(200),
  ended: { type: "string", maxLength: 30, description: "At least so long ago: 10m, 1h." },
};

export function deadLetterFilter(query: Filter): DeadLetterFilter {
  return {
    ...anyDeadLetter,
    service: query.service ?? null,
    class: query.class ?? null,
    executed: query.executed ?? null,
    reason: query.reason ?? null,
    olderThanMs: query.ended === undefined ? null : readSpan(query.ended, "ended"),
  };
}

export function deadLetterRoutes(deps: AdminDeps): readonly Route[] {
  const { processes, pages, now } = deps;
  return [
    route<Filter & PageQuery>({
      method: "GET",
      path: "/dead-letters",
      role: "viewer",
      operationId: "listDeadLetters",
      summary: "Dead letters, newest first",
      query: object({ ...deadLetterFilterSchema, pageSize, pageToken }),
      answer: pageOf(anyObject),
      problems: ["invalid-parameter"],
      async run({ query }) {
        const { cursor, asOf } = pages.open("dead-letters", query, await now());
        const found = await listDeadLetters(processes, deadLetterFilter(query), {
          limit: query.pageSize,
          cursor,
        });
        return {
          status: 200,
          body: {
            items: found.items.map(listView),
            nextPageToken: pages.seal("dead-letters", query, found.next, asOf),
            totalSize: null,
            isEstimate: true,
            asOf: new Date(asOf).toISOString(),
          },
        };
      },
    }),
    route<Filter>({
      method: "GET",
      path: "/dead-letters/groups",
      role: "viewer",
      operationId: "groupDeadLetters",
      summary: "Dead letters of the same kind together, most frequent first",
      query: object(deadLetterFilterSchema),
      answer: answerObject({
        groups: list(anyObject),
        total: { type: "integer" },
        isCapped: { type: "boolean" },
      }),
      async run({ query }) {
        return { status: 200, body: await groupDeadLetters(processes, deadLetterFilter(query)) };
      },
    }),
    route<unknown, { reason: string }>({
      method: "POST",
      path: "/dead-letters/:id\\:redrive",
      role: "operator",
      operationId: "redriveDeadLetter",
      summary: "Runs a dead letter's request again, or delivers its webhook again",
      body: object({ reason }, ["reason"]),
      answer: anyObject,
      problems: ["process-not-found", "process-running", "precondition-failed"],
      audit: ({ params, body }) => ({
        action: "dead-letter.redrive",
        target: params["id"]!,
        reason: body.reason,
      }),
      async run(call) {
        const record = await readSeen(deps, call);
        const done = await redriveDeadLetter(processes, record);
        if (done.kind === "not-found") throw new Problem("process-not-found");
        const successor = "record" in done ? detailView(done.record) : null;
        return { status: 200, body: { result: done.kind, successor } };
      },
    }),
    route<unknown, { reason: string }>({
      method: "POST",
      path: "/dead-letters/:id\\:discard",
      role: "operator",
      operationId: "discardDeadLetter",
      summary: "Takes the mark off: nobody needs to look at it any more",
      body: object({ reason }, ["reason"]),
      answer: anyObject,
      problems: ["process-not-found", "precondition-failed"],
      audit: ({ params, body }) => ({
        action: "dead-letter.discard",
        target: params["id"]!,
        reason: body.reason,
      }),
      async run(call) {
        const record = await readSeen(deps, call);
        const result = await discardDeadLetter(processes, record);
        return { status: 200, body: { result } };
      },
    }),
  ];
}
