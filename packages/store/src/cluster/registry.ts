/**
 * Data that replicas share about services and themselves. Each entry has a TTL, so what is not renewed expires;
 * losing any of it costs accuracy, never correctness.
 */
import type { ProbeState } from "@sticky-proxy/core/registry";
import type { Keys } from "../keys.ts";
import { type RedisConnections, serverTime } from "../redis/redis.ts";
import { createPauses, type Pauses } from "./pauses.ts";
import { unavailable } from "../redis/unavailable.ts";

/** A health result of one instance. */
export interface HealthReport {
  readonly state: ProbeState;
  /** Short word for people: "200", "timeout", "refused". */
  readonly reason: string;
  /** Epoch ms of the check, by the prober's clock, for people. */
  readonly at: number;
}

export interface Replica {
  readonly id: string;
  readonly role: "proxy" | "sweeper" | "admin";
  readonly version: string;
  /** Epoch ms by its own clock, for people. */
  readonly startedAt: number;
  /** Digest of the configuration in use; entries that are a node's own do not count. */
  readonly config: string;
  /** Versions of the fingerprint that it can compute and compare; absent: it is older than the field and knows version 1. */
  readonly fingerprints?: readonly number[];
  /** Name of its installation; null: it has none. */
  readonly installation?: string | null;
  /** Digests of each service's instances. */
  readonly backends?: Readonly<Record<string, readonly string[]>>;
}

export interface Registry extends Pauses {
  /** Replaces the service's reports; they are forgotten after ttlMs. */
  publishHealth(service: string, reports: ReadonlyMap<string, HealthReport>, ttlMs: number): Promise<void>;
  /** By instance name; empty when nobody has published within the TTL. */
  health(service: string): Promise<ReadonlyMap<string, HealthReport>>;
  /** Publishes that this replica is alive for another ttlMs. */
  heartbeat(replica: Replica, ttlMs: number): Promise<void>;
  /** The replicas whose heartbeat has not run out. */
  replicas(): Promise<readonly Replica[]>;
  /** The installation that the keys belong to, which is `own` when they belonged to none; kept for ttlMs after its last call. */
  claimInstallation(own: string, ttlMs: number): Promise<string>;
  /** Removes this replica from the list at once (clean shutdown). */
  leave(id: string): Promise<void>;
  /** Publishes that this node's breaker is open for the instance, for `ms`. */
  adviseOpen(service: string, instance: string, ms: number): Promise<void>;
  /** Instances of the service for which a node's breaker is open. */
  openBreakers(service: string): Promise<ReadonlySet<string>>;
  /** Services that have had processes. */
  services(): Promise<readonly string[]>;
}

export function createRegistry({
  redis,
  keys,
}: {
  readonly redis: RedisConnections;
  readonly keys: Keys;
}): Registry {
  const { reads, writes } = redis;
  const replicasKey = keys.meta("replicas");

  async function guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw unavailable(what, cause);
    }
  }
  return {
    publishHealth: (service, reports, ttlMs) =>
      guarded("publish-health", async () => {
        const key = keys.meta(`health:${service}`);
        const text = JSON.stringify([...reports]);
        await writes.set(key, text, "PX", Math.ceil(ttlMs));
      }),
    health: (service) =>
      guarded("health", async () => {
        const text = await reads.get(keys.meta(`health:${service}`));
        return new Map(text === null ? [] : (JSON.parse(text) as [string, HealthReport][]));
      }),

    heartbeat: (replica, ttlMs) =>
      guarded("heartbeat", async () => {
        const { id } = replica;
        const now = await serverTime(reads);
        await Promise.all([
          writes.set(keys.meta(`replica:${id}`), JSON.stringify(replica), "PX", Math.ceil(ttlMs)),
          writes.zadd(replicasKey, now + ttlMs, id),
          writes.zremrangebyscore(replicasKey, "-inf", now - ttlMs),
        ]);
      }),
    replicas: () =>
      guarded("replicas", async () => {
        const ids = await reads.zrange(replicasKey, 0, -1);
        const texts = ids.length === 0 ? [] : await reads.mget(ids.map((id) => keys.meta(`replica:${id}`)));
        return texts.filter((text) => text !== null).map((text) => JSON.parse(text) as Replica);
      }),
    claimInstallation: (own, ttlMs) =>
      guarded("claim-installation", async () => {
        const key = keys.meta("installation");
        const known = await writes.set(key, own, "PX", Math.ceil(ttlMs), "NX", "GET");
        if (known === own) await writes.pexpire(key, Math.ceil(ttlMs));
        return known ?? own;
      }),
    leave: (id) =>
      guarded("leave", async () => {
        await Promise.all([writes.del(keys.meta(`replica:${id}`)), writes.zrem(replicasKey, id)]);
      }),

    ...createPauses(redis, keys),

    adviseOpen: (service, instance, ms) =>
      guarded("advise-open", async () => {
        const key = keys.meta(`breaker:${service}`);
        const now = await serverTime(reads);
        await Promise.all([
          writes.zadd(key, "GT", now + ms, instance),
          writes.zremrangebyscore(key, "-inf", now),
          writes.pexpire(key, Math.ceil(ms), "NX"),
          writes.pexpire(key, Math.ceil(ms), "GT"),
        ]);
      }),
    openBreakers: (service) =>
      guarded("open-breakers", async () => {
        const now = await serverTime(reads);
        return new Set(await reads.zrange(keys.meta(`breaker:${service}`), `(${now}`, "+inf", "BYSCORE"));
      }),

    services: () => guarded("services", async () => (await reads.smembers(keys.meta("services"))).sort()),
  };
}
