/** Services with the health of their instances, and replicas. */
import type { Service } from "@sticky-proxy/core/registry";
import { Problem } from "@sticky-proxy/protocol";
import { servicePauseMs, type AdminDeps } from "../deps.ts";
import { route, type Route } from "../http/route.ts";
import { anyObject, answerObject, list } from "./schemas.ts";

export function serviceRoutes(deps: AdminDeps): readonly Route[] {
  const { configured, processes, registry, serviceNames } = deps;

  /** A service that is not in this replica's file any more shows what is kept of it. */
  async function viewOf(name: string) {
    const service = configured().find((one) => one.name === name) ?? null;
    const [reports, pauses, open, counts, oldestAt] = await Promise.all([
      registry.health(name),
      registry.pauses([name]),
      registry.openBreakers(name),
      processes.store.count(name),
      processes.store.oldestAt(name, "in-progress"),
    ]);
    return {
      name,
      isConfigured: service !== null,
      counts,
      oldestTime: oldestAt === null ? null : new Date(oldestAt).toISOString(),
      pausedMs: servicePauseMs(pauses, name),
      isBreakerOpen: open.size > 0,
      instances: (service?.instances ?? []).map(({ name: instance, origin, weight }) => ({
        name: instance,
        origin,
        weight,
        state: reports.get(instance)?.state ?? "unknown",
        reason:
          reports.get(instance)?.reason ?? (service?.health === null ? "no health check" : "not probed yet"),
        checkTime: timeOf(reports.get(instance)?.at),
        isBreakerOpen: open.has(instance),
      })),
      routes: service === null ? [] : service.routes.map(routeView),
    };
  }

  return [
    route({
      method: "GET",
      path: "/services",
      role: "viewer",
      operationId: "listServices",
      summary: "Services with their instances",
      answer: answerObject({ items: list(anyObject) }),
      async run() {
        const names = await serviceNames();
        return { status: 200, body: { items: await Promise.all(names.map(viewOf)) } };
      },
    }),
    route({
      method: "GET",
      path: "/services/:name",
      role: "viewer",
      operationId: "showService",
      summary: "One service",
      answer: anyObject,
      problems: ["service-not-found"],
      async run({ params }) {
        const name = params["name"]!;
        if (!(await serviceNames()).includes(name)) throw new Problem("service-not-found");
        return { status: 200, body: await viewOf(name) };
      },
    }),
    route({
      method: "GET",
      path: "/replicas",
      role: "viewer",
      operationId: "listReplicas",
      summary: "The replicas whose heartbeat has not run out",
      answer: answerObject({ items: list(anyObject) }),
      async run() {
        const replicas = await registry.replicas();
        const digests = new Set(replicas.map(({ config }) => config));
        return {
          status: 200,
          body: {
            isDrifting: digests.size > 1,
            items: replicas.map(({ startedAt, ...replica }) => ({
              ...replica,
              startTime: timeOf(startedAt),
            })),
          },
        };
      },
    }),
  ];
}

function routeView({ name, match, process, cache, mirror }: Service["routes"][number]) {
  return {
    name,
    methods: match.methods,
    path: match.path,
    process: process === null ? null : { identity: process.identity, resultTtlMs: process.resultTtlMs },
    isCached: cache !== null,
    isMirrored: mirror !== null,
  };
}

function timeOf(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString();
}
