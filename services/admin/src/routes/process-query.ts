/** The filter of the process list as a URL writes it. */
import type { Executed } from "@sticky-proxy/protocol";
import type { Status } from "@sticky-proxy/core/process";
import { statusesInOrder, type ProcessFilter } from "@sticky-proxy/operations";
import type { PageQuery } from "../http/pages.ts";
import { readNumberRange, readSpanRange } from "../http/spans.ts";
import { executed, object, pageSize, pageToken, text } from "./schemas.ts";

export interface ProcessQuery extends PageQuery {
  readonly status?: Status;
  readonly service?: string;
  readonly route?: string;
  readonly operation?: string;
  readonly executed?: Executed;
  readonly reason?: string;
  readonly attempt?: string;
  readonly took?: string;
  readonly created?: string;
}

const range = { type: "string", minLength: 1, maxLength: 30 };

export const processQuery = object({
  status: { type: "string", enum: statusesInOrder },
  service: text(64),
  route: text(200),
  operation: text(200),
  executed,
  reason: text(200),
  attempt: { ...range, description: "A number or a range: 2- is two or more." },
  took: { ...range, description: "A span: 10s- is ten seconds or more, -5m at most five minutes." },
  created: { ...range, description: "How long ago: 1h is within the last hour, 1h-1d between." },
  pageSize,
  pageToken,
});

/** @param asOf relative times count from it, so that they mean the same on every page */
export function processFilter(query: ProcessQuery, asOf: number): ProcessFilter {
  const isAge = query.created?.includes("-") ?? true; // "1h" alone means: up to an hour ago
  const ages = readSpanRange(isAge ? query.created : `-${query.created}`, "created");
  return {
    statuses: query.status === undefined ? [] : [query.status],
    service: query.service ?? null,
    route: query.route ?? null,
    operation: query.operation ?? null,
    executed: query.executed ?? null,
    reason: query.reason ?? null,
    attempts: readNumberRange(query.attempt, "attempt"),
    tookMs: readSpanRange(query.took, "took"),
    created: {
      from: ages.to === null ? null : asOf - ages.to,
      to: ages.from === null ? null : asOf - ages.from,
    },
  };
}
