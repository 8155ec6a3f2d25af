/** What mirrored services must hold toward each other. */
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
