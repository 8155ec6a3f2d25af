/**
 * Replicas and a sweeper inside the test's own process, over one store: quick to start, every wire real.
 * The configuration comes from YAML text through the product's own loader.
 */
import { tokenKeys } from "@sticky-proxy/core/principal";
import {
  createApiKeys,
  createAuthenticator,
  createGateway,
  type Gateway,
  type Rates,
} from "@sticky-proxy/proxy";
import { createMemoryPins, createMemoryStore } from "@sticky-proxy/core/testing";
import {
  createMetrics,
  loadConfig,
  sleep,
  type Config,
  type Metrics,
  systemClock,
  type Logger,
} from "@sticky-proxy/runtime";
import { createSweeper, type Sweeper, type SweepDeps } from "@sticky-proxy/sweeper";
import {
  createDeliverer,
  createPoller,
  createEngine,
  type Pacing,
  type QuorumGuard,
  type Engine,
} from "@sticky-proxy/engine";
import { createForwarder, createOutboundCallers } from "@sticky-proxy/upstream";
import type { ApiKey } from "@sticky-proxy/core/principal";
import type { Changes, PinStore, ProcessRecord, ProcessStore } from "@sticky-proxy/core/process";

export interface TestNode {
  readonly url: string;
  readonly gateway: Gateway;
  readonly engine: Engine;
  readonly metrics: Metrics;
  readonly logged: { event: string; fields: Readonly<Record<string, unknown>> }[];
  /** Stops renewing, as a node that was killed does; its executions go on. */
  stall(): void;
  close(): Promise<void>;
}

export interface Nodes {
  readonly config: Config;
  readonly store: ProcessStore & Changes;
  readonly nodes: TestNode[];
  readonly sweeper: Sweeper;
  url(i?: number): string;
  close(): Promise<void>;
}

export interface NodesOptions {
  readonly yaml: string;
  readonly count?: number;
  readonly store?: ProcessStore & Changes;
  readonly sweep?: Partial<SweepDeps>;
  readonly webhookBase?: string;
  /** Of every replica; default: no service is ever paused. */
  readonly pacing?: Pacing;
  readonly cancelHook?: (record: ProcessRecord) => void;
  readonly guard?: QuorumGuard | null;
  /** false: as long as a replica is alive that does not know it. Default true. */
  readonly writesCurrentFingerprint?: boolean;
  /** API keys by their digests. */
  readonly apiKeys?: ReadonlyMap<string, ApiKey>;
  /** Counts requests, by replica; default: nobody does. */
  readonly rates?: (config: Config, replica: string) => Rates;
  /** What has entered the scopes lately: requests are also looked for without it. */
  readonly formerly?: readonly ("principal" | "host")[];
  /** The durability gate of every replica. */
  readonly confirm?: ((record: ProcessRecord) => Promise<void>) | null;
}

export const secret = Buffer.alloc(32, 7);
const tokens = tokenKeys({ secrets: [], acceptStored: false }, secret);

export async function startNodes(options: NodesOptions): Promise<Nodes> {
  const loaded = loadConfig({ yaml: options.yaml, env: {}, flags: {}, node: "test" });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded, null, 1));
  const { config } = loaded;
  const store = options.store ?? createMemoryStore({ now: Date.now });
  const pins = createMemoryPins();
  const nodes: TestNode[] = [];
  for (let i = 0; i < (options.count ?? 1); i += 1)
    nodes.push(await startNode(config, { store, pins }, `n${i + 1}`, options));
  const base = (): string => nodes[0]!.url;
  const forwarder = createForwarder({ pseudonym: "sticky-proxy", loopId: "test" });
  const engine = createEngine({
    store,
    pins,
    changes: store,
    forwarder,
    node: "sweeper",
    services: () => config.services,
    publicUrl: base,
    secret,
    tokens,
    intents: null,
    guard: null,
    pacing: options.pacing ?? noPacing,
    confirm: null,
    clock: systemClock,
    sleep,
    onTransition: () => undefined,
    onLeaseLost: () => undefined,
    onFailure: () => undefined,
  });
  const failures: unknown[] = [];
  const callers = createOutboundCallers();
  const sweeper = createSweeper({
    processes: engine.processes,
    executor: engine.executor,
    node: "sweeper",
    pacing: options.pacing ?? noPacing,
    rules: engine.rules,
    unknownWork: { saw: () => undefined, forget: () => undefined, read: () => ({ count: 0, oldestMs: 0 }) },
    isEndpoint: (name) => config.webhooks.some((endpoint) => endpoint.name === name),
    poll: createPoller({
      callers,
      readRequest: (record) => store.readRequest(record),
      clock: engine.processes,
      random: Math.random,
      pseudonym: "sticky-proxy",
    }),
    deliver: createDeliverer({
      callers,
      endpoints: () => config.webhooks,
      publicUrl: base,
      clock: { ...systemClock, now: () => engine.processes.now() },
      random: Math.random,
      onOutcome: () => undefined,
    }),
    extra: () => [],
    onDuty: () => undefined,
    onDone: () => undefined,
    onFailure: (_duty, _record, error) => failures.push(error),
    hideMs: 200,
    batch: 100,
    ...options.sweep,
  });
  return {
    config,
    store,
    nodes,
    sweeper,
    url: (i = 0) => nodes[i % nodes.length]!.url,
    async close() {
      await Promise.all(nodes.map((node) => node.close()));
      await sweeper.stop();
      callers.close();
      await forwarder.close();
    },
  };
}

const noPacing = {
  pausedMs: () => 0,
  isPaused: () => false,
  pause: () => undefined,
  reserve: () => () => undefined,
};

async function startNode(
  config: Config,
  { store, pins }: { readonly store: ProcessStore & Changes; readonly pins: PinStore },
  name: string,
  {
    pacing = noPacing,
    cancelHook = () => undefined,
    guard = null,
    confirm = null,
    writesCurrentFingerprint = true,
    apiKeys = new Map(),
    formerly = [],
    rates,
  }: NodesOptions,
): Promise<TestNode> {
  const logged: TestNode["logged"] = [];
  const note = (event: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    logged.push({ event, fields });
  };
  const log: Logger = {
    debug: note,
    info: note,
    warn: note,
    error: note,
    isOn: () => true,
    child: () => log,
  };
  const forwarder = createForwarder({ pseudonym: "sticky-proxy", loopId: "test" });
  let port = 0;
  let ids = 0;
  const engine = createEngine({
    store,
    pins,
    changes: store,
    forwarder,
    node: name,
    services: () => config.services,
    publicUrl: () => `http://127.0.0.1:${port}`,
    secret,
    tokens,
    intents: null,
    guard,
    pacing,
    confirm,
    clock: systemClock,
    sleep,
    onTransition: () => undefined,
    onLeaseLost: () => undefined,
    onFailure: (what, error) => note("trouble", { what, error }),
  });
  const metrics = createMetrics({
    version: "0",
    node: name,
    configHash: "",
    services: config.services.map((service) => service.name),
    routes: config.services.flatMap(({ name, routes }) =>
      routes.map((route) => ({ service: name, route: route.name })),
    ),
  });
  const callers = createOutboundCallers();
  const keys = { version: async () => apiKeys.size, all: async () => apiKeys };
  const authenticator = createAuthenticator(config.authentication, {
    apiKeys: createApiKeys(keys, systemClock),
    call: (request) => callers.allowingPrivate.call(request),
    clock: systemClock,
  });
  const gateway = createGateway({
    onDropped: () => undefined,
    authenticator,
    rates: rates?.(config, name) ?? null,
    formerScopes: { mayHold: (_service, part) => formerly.includes(part) },
    config: { ...config, node: name },
    services: () => config.services,
    settings: {
      pseudonym: "sticky-proxy",
      loopId: "test",
      hosts: [],
      trustedProxies: config.trustedProxies,
      proxyProtocol: config.proxyProtocol,
      cors: config.cors,
      development: false,
      ownHosts: [],
      limits: config.limits,
      plainBodyBytes: 100_000_000,
    },
    store,
    changes: store,
    secret,
    tokens,
    forwarder,
    engine,
    pacing,
    cancelHook,
    allKnowFingerprint: () => writesCurrentFingerprint,
    newRequestId: () => `${name}-${(ids += 1)}`,
    log,
    metrics,
  });
  port = await gateway.server.listen(0, "127.0.0.1");
  let stalled = false;
  const renewing = setInterval(() => {
    if (!stalled) void engine.watchdog.tick();
  }, 50);
  return {
    url: `http://127.0.0.1:${port}`,
    gateway,
    engine,
    metrics,
    logged,
    stall() {
      stalled = true;
    },
    async close() {
      gateway.releaseWaiters();
      gateway.giveUp();
      clearInterval(renewing);
      await gateway.server.close(0);
      await forwarder.close();
    },
  };
}
