/** Wiring of the sweeper: the only file of this service that knows the concrete store and upstream. */
import {
  createInvalidation,
  invalidatingStore,
  createDeliverer,
  createPacing,
  createPoller,
  createEngine,
} from "@sticky-proxy/engine";
import { fingerprintVersions } from "@sticky-proxy/core/idempotency";
import { heartbeatMs, openHeartbeat } from "@sticky-proxy/node";
import { processId, type ProcessRecord } from "@sticky-proxy/core/process";
import type { Service } from "@sticky-proxy/core/registry";
import {
  monotonic,
  observeAttempts,
  observeRedis,
  observeTransitions,
  publicBase,
  startTasks,
  redisTarget,
  storeSettings,
  maxLeaseMs,
  sleep,
  unknownName,
  type Config,
  type ServiceParts,
  systemClock,
} from "@sticky-proxy/runtime";
import { openNodeLocks, createRegistry, openCache, openStore } from "@sticky-proxy/store";
import { createForwarder, createHealthView, createOutboundCallers } from "@sticky-proxy/upstream";
import { startGauges } from "./gauges.ts";
import { openSweeperMirror } from "./open-mirror.ts";
import { createSweeper } from "./sweep.ts";

export async function startSweeper(
  config: Config,
  { logger, metrics, lifecycle, ops }: ServiceParts,
): Promise<void> {
  const node = `${config.node}-sweeper`;
  const store = await openStore({
    ...storeSettings(config),
    waitMs: 10_000,
    onError: (name, err) => logger.warn("redis.error", { connection: name, err }),
    onScript: observeRedis(metrics),
    profile: config.redis.profile,
    maxLeaseMs: maxLeaseMs(config),
  });
  const cached = await openCache({
    state: store.redis,
    url: config.cache.redis,
    keyPrefix: config.redis.keyPrefix,
    partitions: store.meta.partitions,
    memoryBytes: 0,
    maxBytes: config.cache.maxBytes,
    waitMs: 2000,
    onError: (name, err) => logger.warn("cache.redis-error", { connection: name, err }),
    onScript: observeRedis(metrics),
  });
  // What a process changed is dropped from the cache around the commit that ends it.
  const invalidation = createInvalidation({
    store: cached.store,
    publicOrigins: config.publicUrl === null ? [] : [new URL(config.publicUrl).origin],
    onError: (operation, err) => logger.warn("cache.store-error", { operation, err }),
  });
  const processes = invalidatingStore(store.processes, { invalidation, services: () => config.services });
  const registry = createRegistry(store);
  // A proxy probes; what it publishes chooses the instance of our dispatches too.
  const health = createHealthView({ services: () => config.services, shared: registry, clock: systemClock });
  const forwarder = createForwarder({
    pseudonym: "sticky-proxy",
    loopId: store.loopId,
    health,
    ...observeAttempts(metrics),
  });
  const pacing = createPacing({
    shared: registry,
    services: () => config.services.map(({ name }) => name),
    clock: systemClock,
    random: Math.random,
    onFailure: (what, err) => logger.warn("pacing.failed", { what, err }),
  });
  const nodeLocks = openNodeLocks({
    target: redisTarget(config.redis),
    keys: store.keys,
    lockNodes: config.redis.lockNodes, // only ha+quorum may name any
    clock: systemClock,
    sleep,
    onError: (err) => logger.warn("locks.error", { err }),
  });
  const { locks } = nodeLocks;
  const mirror = openSweeperMirror({ config, store, locks, health, logger, metrics }, () =>
    engine.processes.now(),
  );
  const engine = createEngine({
    store: processes,
    changes: store.changes,
    forwarder,
    node,
    services: () => config.services,
    publicUrl: () => publicBase(config, config.port),
    secret: store.meta.secret,
    intents: mirror.intents,
    guard: nodeLocks.guard,
    pacing,
    confirm: store.confirm,
    deadLetterMs: config.retention.deadLetterMs,
    clock: systemClock,
    sleep,
    onTransition: observeTransitions(metrics),
    onRefused: ({ service }) => metrics.fenceRejected.inc({ service }),
    onLeaseLost: (lease) => metrics.leaseLost.inc({ service: lease.service }),
    onFailure: (what, err) => {
      if (what === "renew") metrics.renewFailures.inc({ service: unknownName });
      logger.error("process.trouble", { what, err });
    },
  });
  const callers = createOutboundCallers();
  const sweeper = createSweeper({
    processes: engine.processes,
    executor: engine.executor,
    node,
    pacing,
    find: (record) => engine.rules.find(record),
    poll: createPoller({
      callers,
      readRequest: (record) => store.processes.readRequest(record),
      clock: engine.processes,
      random: Math.random,
      pseudonym: "sticky-proxy",
      onNoAnswer: (record, reason) =>
        logger.info("poll.no-answer", { processId: processId(record), service: record.service, reason }),
    }),
    deliver: createDeliverer({
      callers,
      endpoints: () => config.webhooks,
      publicUrl: () => publicBase(config, config.port),
      clock: { now: () => engine.processes.now(), monotonic },
      random: Math.random,
      onOutcome: (record, outcome, detail, ms) => {
        metrics.deliveries.inc({ outcome });
        metrics.deliveryDuration.observe({ outcome }, ms / 1000);
        const fields = { processId: processId(record), service: record.service, outcome, detail };
        if (outcome === "delivered") logger.debug("webhook.delivered", fields);
        else logger.warn("webhook.not-delivered", fields);
      },
    }),
    extra: traceOf,
    intents: mirror.intents,
    onDuty: (duty) => metrics.duties.inc({ duty }),
    onFailure: (duty, record, err) =>
      logger.error("duty.failed", { duty, processId: processId(record), err }),
    hideMs: hideMsFor(config.services),
    batch: config.sweeper.batch,
  });
  const heartbeat = await openHeartbeat({
    registry,
    id: node,
    role: "sweeper",
    config,
    fingerprints: fingerprintVersions,
    monotonic,
    logger,
    metrics,
  });
  let lastError: string | null = null;
  async function sweep(): Promise<void> {
    try {
      await sweeper.tick();
    } catch (err) {
      lastError = "the store does not answer";
      metrics.redisUp.set({}, 0);
      throw err;
    }
    lastError = null;
    metrics.redisUp.set({}, 1);
    metrics.sweeperLastSuccess.set({}, Date.now() / 1000);
  }
  const mirroring = mirror.start(engine.processes, lifecycle);
  startTasks(
    [
      {
        name: "sweeper.sweep",
        periodMs: config.sweeper.tickMs,
        run: sweep,
        atOnce: true,
        stopIn: "stop-claiming",
      },
      {
        name: "sweeper.renew-leases",
        periodMs: 100,
        jitter: 0,
        run: () => engine.watchdog.tick(),
        stopIn: "stop-watchdog",
      },
      { name: "sweeper.read-pauses", periodMs: 1000, run: () => pacing.refresh() },
      { name: "sweeper.pay-owed-invalidations", periodMs: 1000, run: () => invalidation.payOwed() },
      { name: "sweeper.read-health", periodMs: 1000, jitter: 0.1, run: () => health.refresh(), atOnce: true },
      {
        name: "sweeper.heartbeat",
        periodMs: heartbeatMs,
        run: () => heartbeat.beat(),
        stopIn: "stop-watchdog",
      },
      {
        name: "sweeper.mirror",
        periodMs: 1000,
        run: () => mirroring.tick(),
        atOnce: true,
        stopIn: "stop-claiming",
      },
    ],
    { logger, metrics, lifecycle },
  );
  const now = (): number => engine.processes.now();
  startGauges({ config, store, cached, locks, now, logger, metrics }, lifecycle);
  ops.check("sweeper", () => (lastError === null ? { state: "ok" } : { state: "failed", reason: lastError }));
  lifecycle.onShutdown("finish", "sweeper-executions", () => sweeper.stop());
  lifecycle.onShutdown("release-outbox", "sweeper-heartbeat", () => heartbeat.leave());
  lifecycle.onShutdown("flush", "sweeper-upstream", async () => {
    callers.close();
    await forwarder.close();
  });
  lifecycle.onShutdown("close-store", "sweeper-store", async () => {
    await Promise.all([nodeLocks.close(), cached.close()]);
    await store.close();
  });
}

/** An alarm whose claimer died rings again after this: soon for short leases, never sooner than a commit may take. */
function hideMsFor(services: readonly Service[]): number {
  const leases = services.flatMap(({ routes }) => routes.flatMap((route) => route.process?.leaseMs ?? []));
  return Math.min(30_000, Math.max(2000, 3 * Math.min(...leases)));
}

function traceOf(record: ProcessRecord): readonly (readonly [string, string])[] {
  return record.traceparent === null ? [] : [["traceparent", record.traceparent]];
}
