/** Wiring of the proxy: the only file of this service that knows the concrete store and upstream. */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";

import { fingerprintVersions } from "@sticky-proxy/core/idempotency";
import { tokenKeys } from "@sticky-proxy/core/principal";
import { processId } from "@sticky-proxy/core/process";
import { createCancelHook, type Engine } from "@sticky-proxy/engine";
import {
  createHealthRounds,
  exportTraffic,
  nodeTasks,
  openEngine,
  openHeartbeat,
  openNode,
  openStoreChecks,
  type HealthRounds,
  type NodeTaskParts,
  type OpenNode,
  type StoreChecks,
} from "@sticky-proxy/node";
import {
  after,
  createDescriptorWatch,
  descriptorLimit,
  fittingConnections,
  monotonic,
  openDescriptors,
  startTasks,
  systemClock,
  type Config,
  type DescriptorWatch,
  type ServiceParts,
  type Task,
} from "@sticky-proxy/runtime";
import { createApiKeyStore, createIdentitySwitches, createSharedRates } from "@sticky-proxy/store";
import { createApiKeys } from "./authentication/api-keys.ts";
import { createAuthenticator } from "./authentication/authenticator.ts";
import { createRates, type Rates } from "./authentication/rates.ts";
import { createCacheParts } from "./cache/cache-parts.ts";
import type { ProxySettings } from "./deps.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import type { ListenerTls } from "./listener/http-server.ts";
import { openTlsMaterial } from "./listener/tls-material.ts";
import { openFormerScopes } from "./submit/former-scopes.ts";
import { openProxyMirror, type ProxyMirror } from "./open-mirror.ts";

const plainBodyBytes = 1024 ** 3;

export async function startProxy(config: Config, parts: ServiceParts): Promise<{ port: number }> {
  const { logger, metrics, lifecycle, ops, series } = parts;
  const node = await openNode({
    name: config.node,
    config,
    logger,
    metrics,
    cacheMemoryBytes: config.cache.memoryBytes,
  });
  const { store } = node;
  const { secret } = store.meta;
  const health = openHealth(node, parts);
  const forwarder = node.openForwarder(health.view);
  const services = (): ReturnType<OpenNode["migrations"]["services"]> => node.migrations.services();
  exportTraffic({ services, traffic: forwarder, health: health.view, metrics });
  const cache = createCacheParts({ config, store: node.cached.store, forwarder, metrics, log: logger });
  const checks = await openStoreChecks({ config, store, confirm: store.confirm, logger, metrics, ops });
  const heartbeat = await openHeartbeat({
    registry: node.registry,
    id: config.node,
    role: "proxy",
    config,
    fingerprints: fingerprintVersions,
    monotonic,
    logger,
    metrics,
  });
  const tls = await openTls(config, parts);
  const { apiKeys, authenticator } = openAuthenticator(config, node);
  const rates = openRates(config, node, parts);
  const descriptors = watchDescriptors(config, parts);
  let port = config.port;
  const mirror = openProxyMirror({ config, node, logger, metrics }, () => engine.processes.now());
  const engine = openEngine({
    config,
    node,
    name: config.node,
    port: () => port,
    forwarder,
    invalidation: cache.invalidation,
    intents: mirror.intents,
    logger,
    metrics,
  });
  const copies = mirror.openSideCopies(engine);
  const cancelHook = openCancelHook(node, engine, parts);
  const gateway = createGateway({
    config,
    services,
    migrations: node.migrations,
    settings: settingsOf(config, store.loopId, descriptors.accepted),
    onDropped: () => descriptors.watch.dropped(),
    store: engine.processes.store,
    changes: store.changes,
    secret,
    tokens: tokenKeys(config.tokens, secret),
    authenticator,
    rates,
    formerScopes: await openFormerScopes(config.services, {
      switches: createIdentitySwitches(store),
      monotonic,
    }),
    forwarder,
    tls,
    engine,
    pacing: node.pacing,
    cancelHook: (record) => cancelHook.tell(record),
    newRequestId: randomUUID,
    // Before that an older version may serve that tells nobody what it knows.
    allKnowFingerprint: (version) =>
      engine.processes.now() >= store.meta.heartbeatsSince && heartbeat.allKnowFingerprint(version),
    log: logger,
    metrics,
    mirror: mirror.deps,
    copies: { ...mirror.deps, copies, rules: engine.rules },
    outbox: mirror.intents,
    cache,
  });
  port = await gateway.server.listen(config.port, config.host);

  health.start(lifecycle);
  mirror.stopWith(lifecycle);
  const { invalidation } = cache;
  startTasks(tasksOf({ node, engine, invalidation, checks, health, heartbeat, mirror, series }), parts);
  startCallerTasks({ apiKeys: authenticator === null ? null : apiKeys, rates }, parts);
  stopGateway(config, gateway, lifecycle);
  finishWork(lifecycle, engine, copies);
  lifecycle.onShutdown("release-outbox", "heartbeat", () => heartbeat.leave());
  lifecycle.onShutdown("flush", "upstream", async () => {
    await cancelHook.idle();
    node.callers.close();
    await forwarder.close();
  });
  lifecycle.onShutdown("flush", "series", () => series.finish(node.series, node.storeClock.now()));
  lifecycle.onShutdown("close-store", "store", () => node.close());
  return { port };
}

function finishWork(
  lifecycle: ServiceParts["lifecycle"],
  { executor }: Engine,
  copies: { idle(): Promise<void> },
): void {
  lifecycle.onShutdown("finish", "executions", () => executor.idle());
  lifecycle.onShutdown("finish", "side-copies", () => copies.idle());
}

function openHealth(node: OpenNode, { logger }: ServiceParts): HealthRounds {
  return createHealthRounds({
    services: () => node.migrations.services(),
    registry: node.registry,
    locks: node.nodeLocks.locks,
    caller: node.callers.allowingPrivate,
    logger,
  });
}

function openCancelHook(
  { callers }: OpenNode,
  { rules }: Engine,
  { logger }: ServiceParts,
): ReturnType<typeof createCancelHook> {
  return createCancelHook({
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
}

/** @returns `accepted`: client connections at once, of which the system may allow fewer than the configuration */
function watchDescriptors(
  { limits: { maxConnections } }: Config,
  parts: ServiceParts,
): { readonly watch: DescriptorWatch; readonly accepted: number } {
  const { logger, lifecycle } = parts;
  const limit = descriptorLimit();
  const accepted = fittingConnections(maxConnections, limit, openDescriptors());
  if (accepted < maxConnections)
    logger.warn("descriptors.too-few", {
      descriptors: limit,
      maxConnections,
      accepted,
      cure: "raise ulimit -n (two for each client connection) or lower limits.maxConnections",
    });
  const isBoundByLimit = accepted < maxConnections;
  const watch = createDescriptorWatch({ log: logger, monotonic, accepted, isBoundByLimit, limit });
  const run = (): void => watch.look();
  startTasks([{ name: "proxy.watch-descriptors", periodMs: 1000, run, atOnce: true }], parts);
  lifecycle.onShutdown("flush", "descriptors", () => watch.close());
  return { watch, accepted };
}

function openAuthenticator(config: Config, { store, callers }: OpenNode) {
  const apiKeys = createApiKeys(createApiKeyStore(store), systemClock);
  const authenticator = createAuthenticator(config.authentication, {
    apiKeys,
    call: (request) => callers.allowingPrivate.call(request),
    clock: systemClock,
  });
  return { apiKeys, authenticator };
}

/** null: no caller's requests are bounded. */
function openRates(
  { budgets: { requests } }: Config,
  { store }: OpenNode,
  { metrics, logger }: ServiceParts,
): Rates | null {
  if (requests.perPrincipal === null && requests.perAddress === null) return null;
  const shared = createSharedRates(store.redis, store.keys, requests.windowSeconds);
  return createRates({
    policy: requests,
    add: (holder, count) => shared.add(holder, count),
    clock: systemClock,
    onRefused: () => metrics.budgetRefusals.inc({ budget: "requests" }),
    onFailure: (err) => logger.warn("rates.not-shared", { err }),
  });
}

/** null: clear text. Changed files are taken over by themselves; files that cannot be used are told, and the old ones serve on. */
async function openTls({ tls: policy }: Config, parts: ServiceParts): Promise<ListenerTls | null> {
  if (policy === null) return null;
  const material = await openTlsMaterial(policy, (path) => readFile(path));
  const { logger, metrics } = parts;
  const note = (): void => metrics.certificateEnd.set({}, material.firstEnd / 1000);
  note();
  material.onReplaced(() => {
    note();
    logger.info("tls.certificates-replaced", { firstEnd: new Date(material.firstEnd).toISOString() });
  });
  const run = async (): Promise<void> => void (await material.reload());
  startTasks([{ name: "proxy.read-certificates", periodMs: certificatesMs, run }], parts);
  return { policy, material };
}

/** Between two looks at the certificates' files. */
const certificatesMs = 5000;

interface TaskParts extends NodeTaskParts {
  readonly node: OpenNode;
  readonly checks: StoreChecks;
  readonly mirror: Pick<ProxyMirror, "tick">;
}

function tasksOf(parts: TaskParts): readonly Task[] {
  const { node, checks, mirror } = parts;
  return [
    ...nodeTasks("proxy", parts),
    // A Redis that came back may have made what it never acknowledged; an idle node releases it too.
    {
      name: "proxy.settle-creates",
      periodMs: 200,
      run: () => node.store.processes.settleUnacknowledgedCreates(),
    },
    { name: "proxy.check-redis-settings", periodMs: 10_000, jitter: 0.1, run: () => checks.check() },
    { name: "proxy.ping-redis", periodMs: 1000, jitter: 0.1, run: () => checks.ping(), atOnce: true },
    { name: "proxy.mirror", periodMs: 1000, run: () => mirror.tick(), stopIn: "release-outbox" },
  ];
}

/** What a node reads and tells about callers; null: nothing of the kind is configured. */
function startCallerTasks(
  { apiKeys, rates }: { readonly apiKeys: { refresh(): Promise<void> } | null; readonly rates: Rates | null },
  parts: ServiceParts,
): void {
  if (apiKeys !== null)
    startTasks(
      [{ name: "proxy.read-api-keys", periodMs: 1000, run: () => apiKeys.refresh(), atOnce: true }],
      parts,
    );
  if (rates !== null)
    startTasks([{ name: "proxy.share-rates", periodMs: 50, run: () => rates.share() }], parts);
}

/** New requests are refused, waiting clients let go; then what still runs may end until half the hard limit is over. */
function stopGateway(
  config: Config,
  { server, releaseWaiters, giveUp }: Gateway,
  lifecycle: ServiceParts["lifecycle"],
): void {
  lifecycle.onShutdown("refuse", "data-plane", () => {
    server.drain();
    releaseWaiters();
  });
  lifecycle.onShutdown("close-listeners", "data-plane", async () => {
    const cancel = after(config.shutdown.hardMs * 0.5, giveUp);
    await server.close(config.shutdown.hardMs * 0.6);
    cancel();
  });
}

function settingsOf(config: Config, loopId: string, maxConnections: number): ProxySettings {
  return {
    pseudonym: "sticky-proxy",
    loopId,
    hosts: config.hosts,
    trustedProxies: config.trustedProxies,
    proxyProtocol: config.proxyProtocol,
    cors: config.cors,
    ownHosts: config.publicUrl === null ? [] : [new URL(config.publicUrl).host],
    limits: { ...config.limits, maxConnections },
    plainBodyBytes,
    development: config.redis.profile === "dev",
  };
}
