/** The list of processes, newest first over all services and statuses, and the look-up by key or job id. */
import { type KeyQuery, findProcesses, isFoundByList, processHistory } from "@sticky-proxy/operations";
import type { ProcessRecord } from "@sticky-proxy/core/process";
import { Problem } from "@sticky-proxy/protocol";
import type { AdminDeps } from "../deps.ts";
import { route, type Route } from "../http/route.ts";
import { processFilter, processQuery, type ProcessQuery } from "./process-query.ts";
import { detailView, listView } from "./process-view.ts";
import { anyObject, answerObject, list, object, pageOf, text } from "./schemas.ts";

type Lookup = KeyQuery | { readonly service: string; readonly jobId: string };

export function processListRoutes(deps: AdminDeps): readonly Route[] {
  const { processes, pages, serviceNames, now } = deps;
  const { store } = processes;

  async function counts(services: readonly string[]): Promise<Record<string, number>> {
    const each = await Promise.all(services.map((service) => store.count(service)));
    const sum: Record<string, number> = {};
    for (const count of each)
      for (const [status, number] of Object.entries(count)) sum[status] = (sum[status] ?? 0) + number;
    return sum;
  }

  return [
    route<ProcessQuery>({
      method: "GET",
      path: "/processes",
      role: "viewer",
      operationId: "listProcesses",
      summary: "Processes, newest first over all services and statuses",
      query: processQuery,
      answer: pageOf(anyObject),
      problems: ["invalid-parameter"],
      async run({ query }) {
        const current = await now();
        const { cursor, asOf } = pages.open("processes", query, current);
        const filter = processFilter(query, asOf);
        const known = await serviceNames();
        const services = filter.service === null ? known : [filter.service];
        const [found, byStatus] = await Promise.all([
          findProcesses(store, { filter, services, now: current, limit: query.pageSize, cursor }),
          counts(services),
        ]);
        const isCounted = isFoundByList(filter) && filter.created.from === null && filter.created.to === null;
        const wanted = filter.statuses.length === 0 ? Object.keys(byStatus) : filter.statuses;
        return {
          status: 200,
          body: {
            items: found.items.map(listView),
            nextPageToken: pages.seal("processes", query, found.next, asOf),
            totalSize: isCounted ? wanted.reduce((sum, status) => sum + (byStatus[status] ?? 0), 0) : null,
            isEstimate: !isCounted,
            scanned: found.scanned,
            counts: byStatus,
            services: known,
            asOf: new Date(asOf).toISOString(),
          },
        };
      },
    }),
    route<unknown, Lookup>({
      method: "POST",
      path: "/processes\\:lookup",
      role: "viewer",
      operationId: "lookUpProcess",
      summary:
        "The process of an idempotency key or of a service's job id; nothing of the question is logged or echoed",
      body: {
        oneOf: [
          object({ service: text(64), idempotencyKey: text(255), principal: text(255), host: text(261) }, [
            "service",
            "idempotencyKey",
          ]),
          object({ service: text(64), jobId: text(2048) }, ["service", "jobId"]),
        ],
      },
      answer: answerObject({ process: anyObject, history: list(anyObject) }),
      problems: ["process-not-found"],
      async run({ body }) {
        const record = await deps.lookUp(body);
        if (record === null) throw new Problem("process-not-found");
        const history: readonly ProcessRecord[] = await processHistory(store, record);
        return { status: 200, body: { process: detailView(record), history: history.map(listView) } };
      },
    }),
  ];
}
