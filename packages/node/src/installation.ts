/**
 * Whether replicas that share a key prefix belong together. Two installations on one prefix take each other's processes
 * for their own: they answer with each other's results, and their sweepers run each other's work. Pure.
 */
import { createHash } from "node:crypto";
import type { Config } from "@sticky-proxy/runtime";
import type { Replica } from "@sticky-proxy/store";

export type Installation = Pick<Replica, "installation" | "backends">;

/** Services beyond this are not compared: a heartbeat stays small. */
const maxServices = 100;

/** What a replica tells about its installation: its name, and digests of each service's instances. */
export function installationOf({ redis, services }: Config): Required<Installation> {
  const digest = (origin: string): string => createHash("sha256").update(origin).digest("hex").slice(0, 8);
  return {
    installation: redis.installation,
    backends: Object.fromEntries(
      services
        .slice(0, maxServices)
        .map(({ name, instances }) => [name, instances.map(({ origin }) => digest(origin))]),
    ),
  };
}

/**
 * Why the other replica seems to be of another installation; null: nothing says so. Names decide where both have one;
 * else a service of one name without any instance in common.
 */
export function strangeness(own: Installation, other: Installation): string | null {
  const [name, theirs] = [own.installation ?? null, other.installation ?? null];
  if (name !== null && theirs !== null) return name === theirs ? null : `it is of installation "${theirs}"`;
  for (const [service, instances] of Object.entries(own.backends ?? {})) {
    const same = other.backends?.[service];
    if (same !== undefined && instances.length > 0 && same.length > 0)
      if (!same.some((one) => instances.includes(one)))
        return `it has a service "${service}" with other instances`;
  }
  return null;
}
