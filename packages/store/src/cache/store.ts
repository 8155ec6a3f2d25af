/**
 * The shared cache in Redis. Metadata last (C1), generations against purged and late responses (C2), bodies under
 * ids of their own (C3); see the port in core. A hit costs one round trip for the metadata and, unless this node
 * still has the body, one per 64 KiB of it.
 */
import {
  type CacheStore,
  CacheUnavailable,
  type CommitOptions,
  type Committed,
  maxFetchMs,
  maxRetainMs,
  outdatedVariant,
  preference,
  type KeyView,
  type Lookup,
  type PurgeReport,
  type SelectVariant,
  type StoredMetadata,
} from "@sticky-proxy/core/cache";
import { chunkBytes, chunkKeys, graceMs, openBody, readPiece } from "./body.ts";
import { createCacheGuard, guardDefaults } from "./guard.ts";
import { createCacheHousekeeping } from "./housekeeping.ts";
import { createCacheKeys } from "./keys.ts";
import { createFlightNotices } from "./notices.ts";
import {
  cacheScripts,
  type IndexLine,
  namesOf,
  packMetadata,
  readDropped,
  readIndex,
  unpackMetadata,
} from "./scripts.ts";
import { LruBytes } from "./lru.ts";
import type { RedisConnections } from "../redis/redis.ts";
import { newCall, replyNumber, replyText, runScript } from "../redis/scripts.ts";

export interface RedisCacheOptions {
  readonly keyPrefix: string;
  /** Fixed for the life of the data. */
  readonly partitions: number;
  /** Bytes of bodies kept in this process; 0: none. */
  readonly nearBodyBytes?: number;
  /** Bytes of bodies in Redis, all partitions together; null: left to Redis's own eviction policy. */
  readonly maxCacheBytes?: number | null;
  readonly silenceMs?: number;
  readonly firstSilenceMs?: number;
  readonly monotonic?: () => number;
}

/** Generations outlive everything they may have to reject. */
const keepMs = 2 * maxRetainMs;
const maxSelectors = 20_000;
/** What lies behind these pieces of a body is not kept in the process. */
const nearBodyPieces = 16;

/** Which line a request selects, newest first, and how the key's responses select. */
function choose(index: readonly IndexLine[], now: number, select: SelectVariant) {
  let selected: IndexLine | undefined;
  let rank = Infinity;
  let varyNames: readonly string[] = [];
  let isEmpty = true;
  let hasWhole = false;
  for (const line of index) {
    if (line.u <= now) continue;
    isEmpty = false;
    const names = namesOf(line);
    const own = preference(names);
    if (own < 2) hasWhole = true;
    if (own === 0 && varyNames.length === 0) varyNames = names;
    if (own < rank && select(names) === line.i) [selected, rank] = [line, own];
  }
  return { selected, varyNames, isEmpty, hasWhole };
}

export function createRedisCacheStore(connections: RedisConnections, options: RedisCacheOptions): CacheStore {
  const { reads, writes, subscriber } = connections;
  const keys = createCacheKeys(options.keyPrefix, options.partitions);
  const monotonic = options.monotonic ?? (() => performance.now());
  const guard = createCacheGuard({
    ...guardDefaults,
    ...(options.silenceMs === undefined ? {} : { silenceMs: options.silenceMs }),
    ...(options.firstSilenceMs === undefined ? {} : { firstSilenceMs: options.firstSilenceMs }),
    monotonic,
  });
  const notices = createFlightNotices(subscriber, keys);
  const housekeeping = createCacheHousekeeping({
    connection: writes,
    keys,
    monotonic,
    maxCacheBytes: options.maxCacheBytes ?? null,
    drop: (key) => drop(key, false),
  });
  const nearBodies = new LruBytes<Buffer>(options.nearBodyBytes ?? 32 * 1024 * 1024, (piece) => piece.length);
  /** How the newest response of a key selects: the guess that makes one round trip enough. */
  const guesses = new LruBytes<readonly string[]>(1_000_000, (names) => 64 + names.join().length);

  async function read(key: string, variant: string) {
    const reply = await guard.run(() =>
      runScript(reads, cacheScripts.lookup, {
        keys: {
          entry: keys.entry(key),
          generations: keys.generations(keys.partitionOf(key)),
          marker: keys.marker(key),
        },
        args: { key, call: newCall(), variant },
      }),
    );
    const packed = replyText(reply[2]);
    const metadata = packed === null ? null : unpackMetadata(packed);
    const generation = metadata?.generation ?? 0;
    const soft = replyNumber(reply[4]);
    // C2. A generation younger than any we know of means that the family was lost: then nothing of it is believed.
    const isRejected = replyNumber(reply[3]) > generation || replyNumber(reply[5]) < generation;
    return {
      now: replyNumber(reply[0]),
      index: readIndex(reply[1]),
      metadata: isRejected ? null : metadata,
      softPurgedAt: soft > generation ? Math.floor(soft / 1000) : null,
      unshareable: replyText(reply[6]),
      revision: replyNumber(reply[7]),
      generation: replyNumber(reply[5]),
    };
  }

  async function lookup(key: string, select: SelectVariant): Promise<Lookup> {
    const guess = select(guesses.get(key) ?? []);
    let found = await read(key, guess);
    const { selected, varyNames, isEmpty, hasWhole } = choose(found.index, found.now, select);
    if (!isEmpty) guesses.set(key, varyNames);
    if (selected !== undefined && selected.i !== guess) found = await read(key, selected.i);
    const stored = selected === undefined ? null : found.metadata;
    return {
      now: found.now,
      stored,
      softPurgedAt: stored === null ? null : found.softPurgedAt,
      otherVariants: selected === undefined && hasWhole,
      unshareable: found.unshareable,
      revision: found.revision,
      generation: found.generation,
      varyNames,
    };
  }

  async function commit(options: CommitOptions): Promise<Committed> {
    const { lease, metadata, replaces, maxVariants } = options;
    const { key, flight, token } = lease;
    if (await housekeeping.isFull()) return "store-full";
    const partition = keys.partitionOf(key);
    const reply = await guard.run(() =>
      runScript(writes, cacheScripts.commit, {
        keys: {
          entry: keys.entry(key),
          generations: keys.generations(partition),
          lease: keys.lease(key, flight),
          marker: keys.marker(key),
          uses: keys.uses(partition),
          sizes: keys.sizes(partition),
          hits: keys.hits(partition),
          notices: keys.notices(partition),
        },
        moreKeys: chunkKeys(keys, key, metadata.bodyId, metadata.bodyBytes),
        args: {
          key,
          call: newCall(),
          token: token ?? "",
          generation: metadata.generation,
          variant: metadata.variant,
          metadata: packMetadata(metadata),
          selectors: metadata.selectors.join("\n"),
          names: metadata.varyNames.join(","),
          bodyId: metadata.bodyId ?? "",
          bytes: metadata.bodyBytes,
          retainMs: Math.ceil(metadata.retainMs),
          maxVariants,
          replacedVariant: replaces?.variant ?? "",
          replacedBody: replaces === null ? "-" : (replaces.bodyId ?? ""),
          url: metadata.url,
          chunkBytes,
          message: token === null ? "" : `${key}:${flight} stored`,
          responseAt: metadata.responseAt,
          outdatedVariant: outdatedVariant(options),
        },
      }),
    );
    const word = replyText(reply[0]) as Committed;
    if (word === "stored") {
      guesses.set(key, metadata.varyNames);
      await retire(key, readDropped(reply.slice(2)));
      housekeeping.afterCommit(partition, replyNumber(reply[1]));
    }
    return word;
  }

  /** Bodies that nothing names any more stay for the readers under way, then vanish. */
  async function retire(key: string, bodies: readonly { bodyId: string; bytes: number }[]): Promise<void> {
    const names = bodies.flatMap(({ bodyId, bytes }) =>
      chunkKeys(keys, key, bodyId === "" ? null : bodyId, bytes),
    );
    // Best effort: every chunk has a TTL of its own.
    await Promise.allSettled(names.map((name) => writes.pexpire(name, graceMs)));
  }

  async function drop(key: string, soft: boolean): Promise<void> {
    const partition = keys.partitionOf(key);
    const reply = await guard.run(() =>
      runScript(writes, cacheScripts.drop, {
        keys: {
          entry: keys.entry(key),
          generations: keys.generations(partition),
          uses: keys.uses(partition),
          sizes: keys.sizes(partition),
          hits: keys.hits(partition),
        },
        args: { key, call: newCall(), mode: soft ? "soft" : "hard", rememberMs: maxFetchMs, keepMs },
      }),
    );
    await retire(key, readDropped(reply.slice(1)));
  }

  async function purge(selector: string, soft: boolean): Promise<PurgeReport> {
    const field = `${soft ? "s" : "h"}:${selector}`;
    const partitions = Array.from({ length: keys.partitions }, (_, partition) => partition);
    // Not guarded: who purges wants to know, and a slow acknowledgement is better than none.
    const results = await Promise.allSettled(
      partitions.map((partition) =>
        runScript(writes, cacheScripts.purge, {
          keys: { generations: keys.generations(partition) },
          args: { call: newCall(), field, maxSelectors, keepMs },
        }),
      ),
    );
    const missing = partitions.filter((partition) => results[partition]?.status === "rejected");
    return { partitions: partitions.length, missing };
  }

  async function readNearPiece(key: string, bodyId: string, n: number): Promise<Buffer | null> {
    const name = `${bodyId}:${n}`;
    const near = nearBodies.get(name);
    if (near !== undefined) return near;
    const piece = await guard.run(() => readPiece(reads, keys, key, bodyId, n));
    if (piece !== null && n < nearBodyPieces) nearBodies.set(name, piece);
    return piece;
  }

  async function inspect(key: string): Promise<KeyView | null> {
    const { index, now, unshareable } = await read(key, "");
    const variants: { metadata: StoredMetadata; softPurgedAt: number | null }[] = [];
    for (const line of index) {
      const { metadata, softPurgedAt } = await read(key, line.i);
      if (metadata !== null && line.u > now) variants.push({ metadata, softPurgedAt });
    }
    if (variants.length === 0 && unshareable === null) return null;
    const hits = await guard.run(() => reads.zscore(keys.hits(keys.partitionOf(key)), key));
    return { now, variants, hits: Number(hits ?? 0), notStored: unshareable };
  }

  return {
    lookup,
    commit,
    drop,
    purge,
    readPiece: readNearPiece,
    inspect,
    openBody: (key) => openBody({ connection: writes, keys, guard, reserve: housekeeping.reserve }, key),
    recordHits: (hits) => guard.run(() => housekeeping.recordHits(hits)),
    top: (count) => housekeeping.top(count),
    totalBytes: () => housekeeping.totalBytes(),
    async begin({ key, flight, token }, leaseMs) {
      const reply = await guard.run(() =>
        runScript(writes, cacheScripts.begin, {
          keys: {
            lease: keys.lease(key, flight),
            generations: keys.generations(keys.partitionOf(key)),
            entry: keys.entry(key),
          },
          args: { key, token: token ?? newCall(), leaseMs: token === null ? 0 : (leaseMs ?? 0), keepMs },
        }),
      );
      return {
        granted: replyText(reply[0]) === "granted",
        now: replyNumber(reply[1]),
        generation: replyNumber(reply[2]),
        revision: replyNumber(reply[3]),
      };
    },
    async renew({ key, flight, token }, leaseMs) {
      if (token === null) return;
      await guard.run(() =>
        runScript(writes, cacheScripts.renew, {
          keys: { lease: keys.lease(key, flight) },
          args: { key, token, leaseMs },
        }),
      );
    },
    async finish({ key, flight, token }, notice) {
      if (token === null) return;
      await guard.run(() =>
        runScript(writes, cacheScripts.finish, {
          keys: { lease: keys.lease(key, flight), notices: keys.notices(keys.partitionOf(key)) },
          args: { key, token, message: `${key}:${flight} ${notice}` },
        }),
      );
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
