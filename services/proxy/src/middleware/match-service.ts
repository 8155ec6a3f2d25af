import { pathRefusal } from "@sticky-proxy/core/http";
import { routesOfPath, type Service } from "@sticky-proxy/core/registry";
import { Problem } from "@sticky-proxy/protocol";

import { barrierDetail, staleDetail } from "@sticky-proxy/node";
import type { ProxyDeps } from "../deps.ts";
import type { FindService, Found } from "./service-finder.ts";
import type { Middleware, ProxyContext, ProxyState } from "../state.ts";

export interface MatchDeps {
  readonly find: FindService;
  readonly services: () => readonly Service[];
  /** Whether clients are told the names of services. */
  readonly development: boolean;
  readonly migrations?: ProxyDeps["migrations"];
}

/**
 * Finds the service and the route, and refuses a path that the route has not opted in to. A write to a service that is
 * being moved waits here, and is then matched anew (M2). Reads state.head, state.host; writes state.service, state.route,
 * state.serviceHead.
 */
export function matchServiceStep({ find, services, development, migrations }: MatchDeps): Middleware {
  function enter({ state }: ProxyContext, found: Found | null): void {
    const { head } = state;
    const refusal = pathRefusal(head.path, found?.route ?? {});
    if (refusal !== null) throw new Problem("path-invalid", { detail: `The path is refused: ${refusal}.` });
    if (found === null)
      throw new Problem("service-not-found", {
        detail: unmatched(services(), head.method, head.path, development),
      });
    state.service = found.service;
    state.route = found.route;
    state.serviceHead = found.serviceHead;
  }
  async function enterWithMigration(
    ctx: ProxyContext,
    found: Found,
    known: NonNullable<MatchDeps["migrations"]>,
    next: () => Promise<void>,
  ): Promise<void> {
    enter(ctx, await whereItIsNow(ctx.state, found, find, known));
    return next();
  }
  return function matchServiceStep(ctx, next) {
    const found = find(ctx.state);
    if (migrations === undefined || found === null || found.service.migration === null) {
      enter(ctx, found);
      return next();
    }
    return enterWithMigration(ctx, found, migrations, next);
  };
}

/** @throws Problem where the wait does not end in time; nothing was sent */
async function whereItIsNow(
  { head, gone, host, receivedPath }: ProxyState,
  first: Found,
  find: FindService,
  migrations: NonNullable<ProxyDeps["migrations"]>,
): Promise<Found | null> {
  let found: Found | null = first;
  const until = AbortSignal.timeout(first.service.migration!.barrierMs);
  while (found !== null) {
    const hold = migrations.holdOf(found.service, head.method);
    if (hold === null) return found;
    const more = { service: found.service.name, executed: "no", headers: { "Retry-After": "1" } } as const;
    if (hold === "stale") throw new Problem("store-unavailable", { ...more, detail: staleDetail });
    if (until.aborted || gone.aborted) throw new Problem("switching", { ...more, detail: barrierDetail });
    await migrations.next();
    found = find({ head, host, receivedPath });
  }
  return null;
}

/** Most services that a 404 lists. */
const maxNames = 10;

/** What a client that has forgotten the service's prefix can make of a 404; names are for development alone. */
function unmatched(services: readonly Service[], method: string, path: string, development: boolean): string {
  const prefixed = services.filter(({ match }) => match.host !== "" && match.path !== "/");
  if (prefixed.length === 0) return "No service takes this host and path.";
  const about =
    "No service takes this host and path. A path begins with the prefix of its service, /<service>/… unless configured otherwise.";
  if (!development) return about;
  const meant = prefixed.find((service) =>
    routesOfPath(service, method, path).some((route) => route.match.path !== "/"),
  );
  const listed = prefixed.slice(0, maxNames).map(({ match }) => match.path);
  const more = prefixed.length > maxNames ? ", …" : "";
  const hint = meant === undefined ? "" : ` Was ${meant.match.path}${path} meant?`;
  return `${about} Here: ${listed.join(", ")}${more}.${hint}`;
}
