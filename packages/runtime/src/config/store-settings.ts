/** What every program that opens the state Redis says alike. */
import type { Config } from "./config.ts";
import { redisTarget, type RedisTarget } from "./redis-target.ts";

export interface StoreSettings {
  readonly target: RedisTarget;
  readonly keyPrefix: string;
  readonly partitions: number | null;
  readonly timelineLength: number;
  readonly encryption: Config["encryption"];
}

export function storeSettings({ redis, retention, encryption }: Config): StoreSettings {
  return {
    target: redisTarget(redis),
    keyPrefix: redis.keyPrefix,
    partitions: redis.partitions,
    timelineLength: retention.timelineEntries,
    encryption,
  };
}

/** For as long nothing is taken over after the store's clock has jumped. */
export function maxLeaseMs({ services }: Config): number {
  const leases = services.flatMap(({ routes }) => routes.map(({ process }) => process?.leaseMs ?? 0));
  return Math.max(1000, ...leases);
}
