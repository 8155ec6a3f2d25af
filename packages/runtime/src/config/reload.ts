/**
 * What a running node can take over from a new configuration: the services, their instances and routes.
 * Everything else was used when the node started (ports, Redis, limits, callback secrets, compiled schemas);
 * a change there is refused as a whole, named, and waits for a restart.
 */
import type { Service } from "@sticky-proxy/core/registry";
import type { Config } from "./config.ts";

/** Entries whose change needs a restart; empty: `next.services` may be used at once. */
export function needsRestart(current: Config, next: Config): string[] {
  const found: string[] = [];
  for (const name of Object.keys(next) as (keyof Config)[]) {
    // A node keeps its name as long as it lives.
    if (name !== "services" && name !== "node" && !isSame(current[name], next[name])) found.push(name);
  }
  const before = new Map(current.services.map((service) => [service.name, service]));
  for (const service of next.services) {
    const old = before.get(service.name);
    const at = `services.${service.name}`;
    const hasProof = service.callbackAuth.secrets.length > 0;
    if (old === undefined ? hasProof : !isSame(old.callbackAuth, service.callbackAuth))
      found.push(`${at}.callbackAuth`);
    const schemas = new Set(old?.routes.map(schemaOf));
    if (service.routes.some((route) => route.bodySchema !== null && !schemas.has(schemaOf(route))))
      found.push(`${at}.routes.bodySchema`);
  }
  if (next.services.some(hasCachedRoute) && !current.services.some(hasCachedRoute))
    found.push("the first cached route");
  if (largestResult(next) > largestResult(current)) found.push("a larger process.maxResultBytes");
  return found;
}

function schemaOf({ bodySchema }: Service["routes"][number]): string {
  return JSON.stringify(bodySchema);
}

function hasCachedRoute({ routes }: Service): boolean {
  return routes.some(({ cache }) => cache !== null);
}

function largestResult({ services }: Config): number {
  const sizes = services.flatMap(({ routes }) => routes.map(({ process }) => process?.maxResultBytes ?? 0));
  return Math.max(65_536, ...sizes);
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
