/**
 * Requests that all nodes have counted, by holder and window. Told in batches behind the requests, never on their way. Without
 * Redis each node counts by itself (the limiter's insurance): no caller is refused because it is away.
 */
import { RateLimiterMemory, RateLimiterRedis, type RateLimiterRes } from "rate-limiter-flexible";
import type { Keys } from "../keys.ts";
import type { RedisConnections } from "../redis/redis.ts";

export interface SharedRates {
  /**
   * Adds requests that this node has counted.
   * @returns what all have counted in the window, and ms until it ends
   */
  add(holder: string, requests: number): Promise<{ readonly requests: number; readonly endsInMs: number }>;
}

/** @param windowSeconds the same on every node */
export function createSharedRates(
  redis: Pick<RedisConnections, "writes">,
  keys: Keys,
  windowSeconds: number,
): SharedRates {
  // The quota is decided where the requests are (core/budgets): here they are only added up.
  const counting = { points: Number.MAX_SAFE_INTEGER, duration: windowSeconds };
  const limiter = new RateLimiterRedis({
    ...counting,
    storeClient: redis.writes,
    keyPrefix: keys.meta(`rate:${windowSeconds}`),
    rejectIfRedisNotReady: true,
    insuranceLimiter: new RateLimiterMemory(counting),
  });
  return {
    async add(holder, requests) {
      const sum: RateLimiterRes = await limiter.consume(holder, requests);
      return { requests: sum.consumedPoints, endsInMs: sum.msBeforeNext };
    },
  };
}
