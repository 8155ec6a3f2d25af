/** Wiring of the proxy: the only file of this service that knows the concrete store and upstream. */
import { randomUUID } from "node:crypto";
import { fingerprintVersions } from "@sticky-proxy/core/idempotency";
import { createRuleBook, processId } from "@sticky-proxy/core/process";
import { invalidatingStore, createCancelHook, createPacing, createEngine } from "@sticky-proxy/engine";
import {
  after,
  observeAttempts,
  observeRedis,
  publicBase,
  startTasks,
  redisTarget,
  storeSettings,
  maxLeaseMs,
  sleep,
  type Config,
  type ServiceParts,
  systemClock,
} from "@sticky-proxy/runtime";
import { openNodeLocks, createRegistry, openCache, openStore } from "@sticky-proxy/store";
import { createForwarder, createOutboundCallers } from "@sticky-proxy/upstream";
import { createCacheParts } from "./cache/cache-parts.ts";
import { createGateway, engineObservers } from "./gateway.ts";
import {
  createHealthRounds,
  exportTraffic,
  heartbeatMs,
  openHeartbeat,
  openStoreChecks,
} from "@sticky-proxy/node";
import { openProxyMirror } from "./open-mirror.ts";

const plainBodyBytes = 1024 ** 3;

export async function startProxy(
  config: Config,
  { logger, metrics, lifecycle, ops }: ServiceParts,
): Promise<{ port: number }> {
  const store = await openStore({
    ...storeSettings(config),
    waitMs: 10_000,
    onError: (name, err) => logger.warn("redis.error", { connection: name, err }),
    onScript: observeRedis(metrics),
    profile: config.redis.profile,
    maxLeaseMs: maxLeaseMs(config),
    onPause: (why, ms) => logger.error("redis.claims-paused", { why, ms }),
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
  const { locks } = nodeLocks;
  const callers = createOutboundCallers();
  const health = createHealthRounds({
    services: () => config.services,
    registry,
    locks,
    caller: callers.allowingPrivate,
    logger,
  });
  const { loopId } = store;
  const forwarder = createForwarder({
    pseudonym: "sticky-proxy",
    loopId,
    health: health.view,
    keepAliveMs: config.limits.upstreamKeepAliveMs,
    maxResponseHeaderBytes: config.limits.upstreamHeaderBytes,
    ...observeAttempts(metrics),
  });
  exportTraffic({ services: () => config.services, traffic: forwarder, health: health.view, metrics });
  // Opened without a cached route too: a reload may bring one.
  const cached = await openCache({
    state: store.redis,
    url: config.cache.redis,
    keyPrefix: config.redis.keyPrefix,
    partitions: store.meta.partitions,
    memoryBytes: config.cache.memoryBytes,
    maxBytes: config.cache.maxBytes,
    waitMs: 2000,
    onError: (name, err) => logger.warn("cache.redis-error", { connection: name, err }),
    onScript: observeRedis(metrics),
  });
  const cache = createCacheParts({ config, store: cached.store, forwarder, metrics, log: logger });
  // What a process changed is dropped from the cache around the commit that ends it.
  const processes = invalidatingStore(store.processes, {
    invalidation: cache.invalidation,
    services: () => config.services,
  });
  const pacing = createPacing({
    shared: registry,
    services: () => config.services.map(({ name }) => name),
    clock: systemClock,
    random: Math.random,
    onFailure: (what, err) => logger.warn("pacing.failed", { what, err }),
  });
  const rules = createRuleBook(() => config.services);
  const cancelHook = createCancelHook({
    callers,
    find: (record) => rules.find(record),
    random: Math.random,
    onOutcome: (record, outcome, detail) =>
      logger[outcome === "told" ? "debug" : "warn"]("cancel-hook.sent", {
        processId: processId(record),
        service: record.service,
        outcome,
        detail,
      }),
  });
  const checks = await openStoreChecks({ config, store, confirm: store.confirm, logger, metrics, ops });
  const heartbeat = await openHeartbeat({
    registry,
    id: config.node,
    role: "proxy",
    config,
    fingerprints: fingerprintVersions,
    monotonic: systemClock.monotonic,
    logger,
    metrics,
  });
  let port = config.port;
  const mirror = openProxyMirror({ config, store, logger, metrics }, () => engine.processes.now());
  const engine = createEngine({
    store: processes,
    changes: store.changes,
    forwarder,
    node: config.node,
    services: () => config.services,
    publicUrl: () => publicBase(config, port),
    secret: store.meta.secret,
    intents: mirror.intents,
    guard: nodeLocks.guard,
    pacing,
    confirm: store.confirm,
    deadLetterMs: config.retention.deadLetterMs,
    clock: systemClock,
    sleep,
    ...engineObservers(metrics, logger),
  });
  const { server, releaseWaiters, giveUp } = createGateway({
    config,
    services: () => config.services,
    settings: {
      pseudonym: "sticky-proxy",
      loopId,
      hosts: config.hosts,
      trustedProxies: config.trustedProxies,
      limits: config.limits,
      plainBodyBytes,
    },
    store: processes,
    changes: store.changes,
    secret: store.meta.secret,
    forwarder,
    engine,
    pacing,
    cancelHook: (record) => cancelHook.tell(record),
    newRequestId: randomUUID,
    log: logger,
    metrics,
    mirror: mirror.deps,
    cache,
  });
  port = await server.listen(config.port, config.host);

  health.start(lifecycle);
  mirror.stopWith(lifecycle);
  startTasks(
    [
      {
        name: "proxy.renew-leases",
        periodMs: 100,
        jitter: 0,
        run: () => engine.watchdog.tick(),
        stopIn: "stop-watchdog",
      },
      { name: "proxy.read-pauses", periodMs: 1000, run: () => pacing.refresh() },
      // A Redis that came back may have made what it never acknowledged; an idle node releases it too.
      {
        name: "proxy.settle-creates",
        periodMs: 200,
        run: () => store.processes.settleUnacknowledgedCreates(),
      },
      { name: "proxy.pay-owed-invalidations", periodMs: 1000, run: () => cache.invalidation.payOwed() },
      { name: "proxy.check-redis-settings", periodMs: 10_000, jitter: 0.1, run: () => checks.check() },
      { name: "proxy.ping-redis", periodMs: 1000, jitter: 0.1, run: () => checks.ping(), atOnce: true },
      {
        name: "proxy.read-health",
        periodMs: 1000,
        jitter: 0.1,
        run: () => health.refresh(),
        atOnce: true,
        stopIn: "stop-claiming",
      },
      {
        name: "proxy.heartbeat",
        periodMs: heartbeatMs,
        run: () => heartbeat.beat(),
        stopIn: "stop-watchdog",
      },
      { name: "proxy.mirror", periodMs: 1000, run: () => mirror.tick(), stopIn: "release-outbox" },
    ],
    { logger, metrics, lifecycle },
  );

  lifecycle.onShutdown("refuse", "data-plane", () => {
    server.drain();
    releaseWaiters();
  });
  lifecycle.onShutdown("close-listeners", "data-plane", async () => {
    const cancel = after(config.shutdown.hardMs * 0.5, giveUp);
    await server.close(config.shutdown.hardMs * 0.6);
    cancel();
  });
  lifecycle.onShutdown("finish", "executions", () => engine.executor.idle());
  lifecycle.onShutdown("release-outbox", "heartbeat", () => heartbeat.leave());
  lifecycle.onShutdown("flush", "upstream", async () => {
    await cancelHook.idle();
    callers.close();
    await forwarder.close();
  });
  lifecycle.onShutdown("close-store", "store", async () => {
    await nodeLocks.close();
    await cached.close();
    await store.close();
  });
  return { port };
}
