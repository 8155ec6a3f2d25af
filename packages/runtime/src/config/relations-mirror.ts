/** What mirrored services must hold toward each other. */
import { isWrite } from "@sticky-proxy/core/mirror";
import type { SoundConfig } from "./schema.ts";
import { soundItems, type Report, type SoundService } from "./sound.ts";

/** The secondary exists, is another service, and no chain of mirrors comes back to where it began. */
export function checkMirrors(services: SoundConfig["services"], report: Report): void {
  const edges = new Map<string, Set<string>>();
  for (const [name, service] of Object.entries(services)) {
    for (const [i, { mirror }] of soundItems(service.routes)) {
      const to = mirror?.to;
      if (to === undefined) continue;
      const at = `services.${name}.routes.${i}.mirror.to`;
      const secondary = Object.hasOwn(services, to) ? services[to] : undefined;
      if (to === name) report(at, "leads back to the service itself");
      else if (secondary === undefined) report(at, `there is no service named ${to}`, `services.${to}`);
      else {
        const ours = originsOf(service);
        if (originsOf(secondary).some((origin) => ours.includes(origin)))
          report(at, `${to} shares an instance with ${name}`);
        edges.set(name, (edges.get(name) ?? new Set()).add(to));
        if (reaches(edges, to, name)) report(at, `mirrors of ${to} lead back to ${name}`);
      }
    }
  }
}

/** No write of a service that may be switched goes past the copies, and both backends know its things by the same ids. */
export function checkMigrations(services: SoundConfig["services"], report: Report): void {
  const targets = new Map<string, string>();
  for (const [name, service] of Object.entries(services)) {
    const to = service.migration?.to;
    if (to === undefined) continue;
    const at = `services.${name}.migration.to`;
    const second = Object.hasOwn(services, to) ? services[to] : undefined;
    const other = targets.get(to);
    if (to === name) report(at, "leads back to the service itself");
    else if (second === undefined) report(at, `there is no service named ${to}`, `services.${to}`);
    else if (second.match !== "none")
      report(at, `${to} needs match: none, no client may reach it`, `services.${to}.match`);
    else if (second.migration !== null || other !== undefined)
      report(
        at,
        `${to} takes part in ${other === undefined ? "a migration of its own" : `that of ${other}`}`,
      );
    for (const [i, { headers }] of soundItems(second?.routes))
      if (headers.request.set.size > 0)
        report(
          `services.${to}.routes.${i}.headers.request.set`,
          `would stay with the name at a switch: give it as services.${to}.fields.set`,
        );
    targets.set(to, name);
    const routes = soundItems(service.routes);
    for (const [i, { mirror, match }] of routes) {
      const place = `services.${name}.routes.${i}.mirror`;
      const methods = soundItems(match.methods).map(([, method]) => method);
      const readsOnly = methods.length > 0 && methods.every((method) => !isWrite(method));
      if (mirror === null) {
        if (!readsOnly) report(place, `must go to ${to}: a write past it would be lacking after a switch`);
      } else if (mirror.to !== to)
        report(`${place}.to`, `must be ${to}, as services.${name}.migration.to says`);
      else if (mirror.idMap !== null)
        report(
          `${place}.idMap`,
          "a service whose ids differ cannot be switched: its clients hold the first backend's",
        );
      else if (mirror.credentials === "forward")
        report(`${place}.credentials`, "forward goes with no dual-write, which a migration comes to");
    }
    const takesAll = routes.some(
      ([, { match, mirror }]) =>
        mirror !== null && match.path === "/" && soundItems(match.methods).length === 0 && !isNarrow(match),
    );
    if (!takesAll)
      report(
        `services.${name}.routes`,
        "a service that may be switched needs a mirrored route for every method and path: a write past it would be lacking",
      );
  }
}

function isNarrow({ host, headers, query }: { host?: unknown; headers?: object; query?: object }): boolean {
  return host !== undefined || Object.keys(headers ?? {}).length + Object.keys(query ?? {}).length > 0;
}

function originsOf({ instances }: SoundService): string[] {
  return soundItems(instances).flatMap(([, { url }]) => (url === undefined ? [] : [new URL(url).origin]));
}

function reaches(edges: ReadonlyMap<string, ReadonlySet<string>>, from: string, to: string): boolean {
  const seen = new Set<string>();
  const open = [from];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === to) return true;
    if (seen.has(name)) continue;
    seen.add(name);
    open.push(...(edges.get(name) ?? []));
  }
  return false;
}
