/** Shared start-up of proxy and sweeper: the state store, the cache's store, locks, pauses, and the forwarder. */
import type { SeriesStore } from "@sticky-proxy/core/series";
import { createPacing, type ServicePacing } from "@sticky-proxy/engine";
import {
  maxLeaseMs,
  observeAttempts,
  observeRedis,
  redisTarget,
  sleep,
  storeSettings,
  systemClock,
  type Config,
  type Logger,
  type Metrics,
} from "@sticky-proxy/runtime";
import {
  createMigrations,
  createRegistry,
  createSeries,
  openCache,
  openNodeLocks,
  openStore,
  type NodeLocks,
  type OpenCache,
  type OpenStore,
  type Registry,
} from "@sticky-proxy/store";
import {
  createForwarder,
  createOutboundCallers,
  type Forwarder,
  type ForwarderOptions,
  type HealthView,
  type OutboundCallers,
  type TrafficView,
  type Tunneller,
} from "@sticky-proxy/upstream";
import { createNodeMigrations, type NodeMigrations } from "./migrations.ts";
import { openStoreClock, type StoreClock } from "./store-clock.ts";

export interface NodeParts {
  /** Unlike that of any other node. */
  readonly name: string;
  readonly config: Config;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Bytes of stored responses in this node's memory; 0: none, for nodes that serve no cached responses. */
  readonly cacheMemoryBytes: number;
}

export interface OpenNode {
  readonly store: OpenStore;
  readonly cached: OpenCache;
  readonly registry: Registry;
  readonly nodeLocks: NodeLocks;
  readonly pacing: ServicePacing;
  readonly storeClock: StoreClock;
  readonly callers: OutboundCallers;
  /** What charts show of all nodes. */
  readonly series: SeriesStore;
  /** Which backends answer now. */
  readonly migrations: NodeMigrations;
  /** Forwarder for requests of clients and of the engine; its attempts are counted. */
  openForwarder(health: HealthView): Forwarder & Tunneller & TrafficView;
  /** Locks, cache and store, after everything that uses them has ended. */
  close(): Promise<void>;
}

/** @throws StoreUnreachable; MetaMismatch when another node has written other settings */
export async function openNode({
  name,
  config,
  logger,
  metrics,
  cacheMemoryBytes,
}: NodeParts): Promise<OpenNode> {
  const store = await openStore({
    ...storeSettings(config),
    waitMs: 10_000,
    onLoading: () => logger.warn("redis.loading", { wait: "Redis is loading its data" }),
    onError: (name, err) => logger.warn("redis.error", { connection: name, err }),
    onScript: observeRedis(metrics),
    profile: config.redis.profile,
    maxLeaseMs: maxLeaseMs(config),
    budget: {
      ...config.budgets,
      onRefused: () => metrics.budgetRefusals.inc({ budget: "stored" }),
    },
    onPause: (why, ms) => logger.error("redis.claims-paused", { why, ms }),
  });
  // Opened without a cached route too: a reload may bring one.
  const cached = await openCache({
    state: store.redis,
    url: config.cache.redis,
    keyPrefix: config.redis.keyPrefix,
    partitions: store.meta.partitions,
    memoryBytes: cacheMemoryBytes,
    maxBytes: config.cache.maxBytes,
    waitMs: 2000,
    onError: (name, err) => logger.warn("cache.redis-error", { connection: name, err }),
    onScript: observeRedis(metrics),
  });
  const registry = createRegistry(store);
  const nodeLocks = openNodeLocks({
    target: redisTarget(config.redis),
    keys: store.keys,
    lockNodes: config.redis.lockNodes, // only ha+quorum may name any
    clock: systemClock,
    sleep,
    onError: (err) => logger.warn("locks.error", { err }),
  });
  const pacing = createPacing({
    shared: registry,
    services: () => config.services.map(({ name }) => name),
    clock: systemClock,
    random: Math.random,
    onFailure: (what, err) => logger.warn("pacing.failed", { what, err }),
  });
  const migrations = createNodeMigrations({
    migrations: createMigrations({ ...store.redis, keys: store.keys, partitions: store.meta.partitions }),
    configured: () => config.services,
    node: name,
    clock: systemClock,
  });
  await migrations.refresh();
  return {
    store,
    migrations,
    cached,
    registry,
    nodeLocks,
    pacing,
    storeClock: await openStoreClock(store.readTime, systemClock),
    callers: createOutboundCallers(),
    series: createSeries(store),
    openForwarder: (health) =>
      migrations.guard(
        createForwarder({
          ...outgoingLimits(config),
          loopId: store.loopId,
          health,
          ...observeAttempts(metrics),
        }),
      ),
    async close() {
      await migrations.leave().catch(() => undefined); // its last word ages, and is then forgotten
      await Promise.all([nodeLocks.close(), cached.close()]);
      await store.close();
    },
  };
}

/** The same limits for every connection to a service. */
export function outgoingLimits({
  limits,
}: Pick<Config, "limits">): Pick<ForwarderOptions, "pseudonym" | "keepAliveMs" | "maxResponseHeaderBytes"> {
  return {
    pseudonym: "sticky-proxy",
    keepAliveMs: limits.upstreamKeepAliveMs,
    maxResponseHeaderBytes: limits.upstreamHeaderBytes,
  };
}
