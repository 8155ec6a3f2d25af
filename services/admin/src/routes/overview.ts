/** What is going on now: the checks that need a look, and the numbers. */
import { coverageView } from "@sticky-proxy/core/mirror";
import { anyDeadLetter, groupDeadLetters, mirrorCoverage, topKeys } from "@sticky-proxy/operations";
import { servicePauseMs, type AdminDeps } from "../deps.ts";
import { needsALook, type Findings } from "../overview/checks.ts";
import { route, type Route } from "../http/route.ts";
import { anyObject, answerObject, list } from "./schemas.ts";

const coverageMs = 24 * 3_600_000;

export function overviewRoutes(deps: AdminDeps): readonly Route[] {
  return [
    route({
      method: "GET",
      path: "/overview",
      role: "viewer",
      operationId: "showOverview",
      summary: "What needs a look, and the numbers of services, replicas, cache and second backend",
      answer: answerObject({ needsALook: list(anyObject), services: list(anyObject) }),
      async run() {
        const found = await readFindings(deps);
        const { checks, failing } = needsALook(found);
        return {
          status: 200,
          body: {
            checks,
            needsALook: failing,
            services: found.services,
            replicas: found.replicas,
            coverage: found.coverage.map(coverageView),
            cacheBytes: found.cacheBytes,
            deadLetters: found.deadLetters.total,
            asOf: new Date(found.now).toISOString(),
          },
        };
      },
    }),
  ];
}

async function readFindings(deps: AdminDeps): Promise<Findings> {
  const { processes, registry, mirror, cache, configured } = deps;
  const [now, names, replicas, coverage, deadLetters, cacheBytes] = await Promise.all([
    deps.now(),
    deps.serviceNames(),
    registry.replicas(),
    mirrorCoverage(mirror, { sinceMs: coverageMs, service: null }),
    groupDeadLetters(processes, anyDeadLetter),
    topKeys(cache, 1).then(
      ({ totalBytes }) => totalBytes,
      () => null, // the cache's own Redis may be away
    ),
  ]);
  const pauses = await registry.pauses(names);
  const services = await Promise.all(
    names.map(async (name) => {
      const [counts, oldestAt, reports, open] = await Promise.all([
        processes.store.count(name),
        processes.store.oldestAt(name, "in-progress"),
        registry.health(name),
        registry.openBreakers(name),
      ]);
      const instances = configured().find((one) => one.name === name)?.instances ?? [];
      const down = instances.filter((one) => reports.get(one.name)?.state === "down").map((one) => one.name);
      const pausedMs = servicePauseMs(pauses, name);
      const running = counts.pending + counts["in-progress"];
      const oldestMs = oldestAt === null ? null : Math.max(0, now - oldestAt);
      return {
        name,
        counts,
        running,
        oldestMs,
        instances: instances.length,
        down,
        open: [...open],
        pausedMs,
      };
    }),
  );
  return { now, services, replicas, coverage, deadLetters, cacheBytes };
}
