/** Wiring of the sweeper: the only file of this service that knows the concrete store and upstream. */
import {
  createInvalidation,
  createDeliverer,
  createPoller,
  type CacheInvalidation,
  type Engine,
} from "@sticky-proxy/engine";
import { fingerprintVersions } from "@sticky-proxy/core/idempotency";
import { processId, type ProcessRecord } from "@sticky-proxy/core/process";
import type { Service } from "@sticky-proxy/core/registry";
import {
  nodeTasks,
  openEngine,
  openHeartbeat,
  openNode,
  type Heartbeat,
  type OpenNode,
} from "@sticky-proxy/node";
import {
  monotonic,
  publicBase,
  startTasks,
  systemClock,
  type Config,
  type ServiceParts,
} from "@sticky-proxy/runtime";
import { createHealthView } from "@sticky-proxy/upstream";
import { startGauges } from "./gauges.ts";
import { alertTasks, openSweeperMirror } from "./open-mirror.ts";
import { createSweeper, type SweepDeps } from "./sweep.ts";
import { createUnknownWork, type UnknownWork } from "./unknown-work.ts";

/** `isBesideProxy`: its process serves clients too, whose plain traffic goes on while Redis is away. */
export async function startSweeper(
  config: Config,
  parts: ServiceParts,
  { isBesideProxy }: { readonly isBesideProxy: boolean },
): Promise<void> {
  const { logger, metrics, lifecycle, series } = parts;
  const name = `${config.node}-sweeper`;
  const node = await openNode({ name, config, logger, metrics, cacheMemoryBytes: 0 });
  const { store, cached, registry, pacing } = node;
  const { locks } = node.nodeLocks;
  const invalidation = openInvalidation(config, node, parts);
  // A proxy runs the health checks; the published results also apply to the sweeper's dispatches.
  const health = createHealthView({
    services: () => node.migrations.services(),
    shared: registry,
    clock: systemClock,
  });
  const forwarder = node.openForwarder(health);
  const now = (): ReturnType<Engine["processes"]["now"]> => engine.processes.now();
  const mirror = openSweeperMirror({ config, node, health, logger, metrics }, now);
  const engine = openEngine({
    config,
    node,
    name,
    port: () => config.port,
    forwarder,
    invalidation,
    intents: mirror.intents,
    logger,
    metrics,
  });
  const sweeper = createSweeper({
    processes: engine.processes,
    executor: engine.executor,
    node: name,
    pacing,
    rules: engine.rules,
    unknownWork: openUnknownWork(config, now, parts),
    isEndpoint: (wanted) => config.webhooks.some((endpoint) => endpoint.name === wanted),
    poll: openPoller(node, engine, parts),
    deliver: openDeliverer(config, node, engine, parts),
    extra: traceOf,
    intents: mirror.intents,
    onDuty: (duty) => metrics.duties.inc({ duty }),
    onDone: (duty) => metrics.dutyLastSuccess.set({ duty }, Date.now() / 1000),
    onFailure: (duty, record, err) =>
      logger.error("duty.failed", { duty, processId: processId(record), err }),
    hideMs: hideMsFor(config.services),
    batch: config.sweeper.batch,
  });
  const heartbeat = await openHeartbeat({
    registry: node.registry,
    id: name,
    role: "sweeper",
    config,
    fingerprints: fingerprintVersions,
    monotonic,
    logger,
    metrics,
  });
  const mirroring = mirror.start(engine, () => othersMayKnow(heartbeat, name), lifecycle);
  startTasks(
    [
      {
        name: "sweeper.sweep",
        periodMs: config.sweeper.tickMs,
        run: observedSweep(() => sweeper.tick(), parts, isBesideProxy ? "degraded" : "failed"),
        atOnce: true,
        stopIn: "stop-claiming",
      },
      ...nodeTasks("sweeper", { engine, node, invalidation, health, heartbeat, series }),
      {
        name: "sweeper.mirror",
        periodMs: 1000,
        run: () => mirroring.tick(),
        atOnce: true,
        stopIn: "stop-claiming",
      },
      ...alertTasks(config, mirroring),
    ],
    parts,
  );
  startGauges({ config, store, cached, locks, now, logger, metrics }, lifecycle);
  lifecycle.onShutdown("finish", "sweeper-executions", () => sweeper.stop());
  lifecycle.onShutdown("release-outbox", "sweeper-heartbeat", () => heartbeat.leave());
  lifecycle.onShutdown("flush", "sweeper-upstream", async () => {
    node.callers.close();
    await forwarder.close();
  });
  lifecycle.onShutdown("flush", "sweeper-series", () => series.finish(node.series, node.storeClock.now()));
  lifecycle.onShutdown("close-store", "sweeper-store", () => node.close());
}

function openInvalidation(
  { publicUrl }: Config,
  { cached }: OpenNode,
  { logger }: ServiceParts,
): CacheInvalidation {
  return createInvalidation({
    store: cached.store,
    publicOrigins: publicUrl === null ? [] : [new URL(publicUrl).origin],
    onError: (operation, err) => logger.warn("cache.store-error", { operation, err }),
  });
}

/** Whether another sweeper lives that runs another configuration than this one. */
function othersMayKnow(heartbeat: Pick<Heartbeat, "replicas">, name: string): boolean {
  const replicas = heartbeat.replicas() ?? [];
  const own = replicas.find(({ id }) => id === name);
  return replicas.some(({ role, config }) => role === "sweeper" && config !== own?.config);
}

function openUnknownWork(config: Config, now: () => number, { logger, metrics }: ServiceParts): UnknownWork {
  const unknownWork = createUnknownWork({
    now,
    forgetMs: 3 * hideMsFor(config.services) + config.sweeper.tickMs,
    onFirst: ({ service, route, notify }) =>
      logger.warn("work.unknown", {
        service,
        route,
        ...(notify === null ? {} : { endpoint: notify }),
        hint: "it waits for a sweeper whose file has it; cancel ID drops a process",
      }),
  });
  metrics.unknownWork.onScrape(() => {
    const { count, oldestMs } = unknownWork.read();
    metrics.unknownWork.set({ kind: "process" }, count);
    metrics.unknownWorkAge.set({ kind: "process" }, oldestMs / 1000);
  });
  return unknownWork;
}

function openPoller(
  { callers, store }: OpenNode,
  { processes }: Engine,
  { logger }: ServiceParts,
): SweepDeps["poll"] {
  return createPoller({
    callers,
    readRequest: (record) => store.processes.readRequest(record),
    clock: processes,
    random: Math.random,
    pseudonym: "sticky-proxy",
    onNoAnswer: (record, reason) =>
      logger.info("poll.no-answer", { processId: processId(record), service: record.service, reason }),
  });
}

function openDeliverer(
  config: Config,
  { callers }: OpenNode,
  { processes }: Engine,
  { logger, metrics }: ServiceParts,
): SweepDeps["deliver"] {
  return createDeliverer({
    callers,
    endpoints: () => config.webhooks,
    publicUrl: () => publicBase(config, config.port),
    clock: { now: () => processes.now(), monotonic },
    random: Math.random,
    onOutcome: (record, outcome, detail, ms) => {
      metrics.deliveries.inc({ outcome });
      metrics.deliveryDuration.observe({ outcome }, ms / 1000);
      const fields = { processId: processId(record), service: record.service, outcome, detail };
      if (outcome === "delivered") logger.debug("webhook.delivered", fields);
      else logger.warn("webhook.not-delivered", fields);
    },
  });
}

/** One turn of the sweep; reports to health check and metrics whether the store answers. */
function observedSweep(
  tick: () => Promise<unknown>,
  { metrics, ops }: ServiceParts,
  withoutStore: "degraded" | "failed",
): () => Promise<void> {
  let answers = true;
  ops.check("sweeper", () =>
    answers ? { state: "ok" } : { state: withoutStore, reason: "the store does not answer" },
  );
  return async () => {
    try {
      await tick();
    } catch (err) {
      answers = false;
      metrics.redisUp.set({}, 0);
      throw err;
    }
    answers = true;
    metrics.redisUp.set({}, 1);
    metrics.sweeperLastSuccess.set({}, Date.now() / 1000);
  };
}

/** Hiding time of a claimed alarm: short for short leases, but longer than a commit may take. */
function hideMsFor(services: readonly Service[]): number {
  const leases = services.flatMap(({ routes }) => routes.flatMap((route) => route.process?.leaseMs ?? []));
  return Math.min(30_000, Math.max(2000, 3 * Math.min(...leases)));
}

function traceOf(record: ProcessRecord): readonly (readonly [string, string])[] {
  return record.traceparent === null ? [] : [["traceparent", record.traceparent]];
}
