/**
 * The shared cache in Redis. Metadata last (C1), generations against purged and late responses (C2), bodies under
 * ids of their own (C3); see the port in core. A hit costs one round trip for the metadata and, unless this node
 * still has the body, one per 64 KiB of it.
 */
import { asMonotonicMs, type Clock } from "@sticky-proxy/protocol";
import { type CacheStore, CacheUnavailable } from "@sticky-proxy/core/cache";
import type { RedisConnections } from "../redis/redis.ts";
import { createBegin } from "./begin.ts";
import { createCacheBudget } from "./budget.ts";
import { openBody, readPiece } from "./body.ts";
import { createCommit } from "./commit.ts";
import { createDrops } from "./drop.ts";
import { createFinish } from "./finish.ts";
import { createCacheGuard, guardDefaults } from "./guard.ts";
import { createInspect } from "./inspect.ts";
import type { CacheIo } from "./io.ts";
import { createCacheKeys } from "./keys.ts";
import { createLookup, type VaryGuesses } from "./lookup.ts";
import { LruBytes } from "./lru.ts";
import { createFlightNotices } from "./notices.ts";
import { createPurge } from "./purge.ts";
import { createRenew } from "./renew.ts";
import { createTrimmer } from "./trim.ts";
import { createUsage } from "./usage.ts";

export interface RedisCacheOptions {
  readonly keyPrefix: string;
  /** Fixed for the life of the data. */
  readonly partitions: number;
  /** Bytes of bodies kept in this process; 0: none. */
  readonly nearBodyBytes?: number;
  /** Bytes in Redis, all partitions together; null: left to Redis's own eviction policy. */
  readonly maxCacheBytes?: number | null;
  /** Share of the server's maxmemory up to which the cache stores; default: beside process state. */
  readonly memoryShare?: number;
  readonly silenceMs?: number;
  readonly firstSilenceMs?: number;
  readonly clock?: Pick<Clock, "monotonic">;
}

/** Processes are shed at 0.8 of the memory, and one caller's are refused before: the cache leaves room for both. */
const stateMemoryShare = 0.6;

/** What lies behind these pieces of a body is not kept in the process. */
const nearBodyPieces = 16;

export function createRedisCacheStore(connections: RedisConnections, options: RedisCacheOptions): CacheStore {
  const { reads, writes, subscriber } = connections;
  const keys = createCacheKeys(options.keyPrefix, options.partitions);
  const clock = options.clock ?? { monotonic: () => asMonotonicMs(performance.now()) };
  const guard = createCacheGuard({
    ...guardDefaults,
    ...(options.silenceMs === undefined ? {} : { silenceMs: options.silenceMs }),
    ...(options.firstSilenceMs === undefined ? {} : { firstSilenceMs: options.firstSilenceMs }),
    clock,
  });
  const io: CacheIo = { reads, writes, keys, guard };
  const notices = createFlightNotices(subscriber, keys);
  const budget = createCacheBudget(io, {
    maxBytes: options.maxCacheBytes ?? null,
    memoryShare: options.memoryShare ?? stateMemoryShare,
    clock,
    onExcess: (bytes, sizes, holder) => trimmer.free(bytes, sizes, holder),
  });
  const { drop, evict } = createDrops(io, budget.retired);
  const trimmer = createTrimmer(io, evict);
  const nearBodies = new LruBytes<Buffer>(options.nearBodyBytes ?? 32 * 1024 * 1024, (piece) => piece.length);
  const guesses: VaryGuesses = new LruBytes(1_000_000, (names) => 64 + names.join().length);

  return {
    lookup: createLookup(io, guesses),
    commit: createCommit(io, { budget, trimmer, guesses }),
    drop,
    purge: createPurge(io),
    begin: createBegin(io),
    renew: createRenew(io),
    finish: createFinish(io),
    inspect: createInspect(io),
    ...createUsage(io),
    openBody: (key, holder = "", bytes = null) =>
      openBody({ connection: writes, keys, guard, budget }, key, holder, bytes ?? 0),
    async readPiece(key, bodyId, n) {
      const name = `${bodyId}:${n}`;
      const near = nearBodies.get(name);
      if (near !== undefined) return near;
      const piece = await guard.run(() => readPiece(reads, keys, key, bodyId, n));
      if (piece !== null && n < nearBodyPieces) nearBodies.set(name, piece);
      return piece;
    },
    async watch(key, flight) {
      try {
        return await notices.watch(key, flight);
      } catch (error) {
        throw new CacheUnavailable("notices cannot be received", { cause: error });
      }
    },
    async markUnshareable(key, reason, ms) {
      await guard.run(() => writes.set(keys.marker(key), reason, "PX", ms));
    },
  };
}
