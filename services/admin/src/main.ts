/** Wiring of the admin service: the only file of this service that knows the concrete store and upstream. */
import { createSecretKey, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { fileURLToPath } from "node:url";
import { CodedError } from "@sticky-proxy/protocol";
import { addressSet, clientAddress, headerList, isLoopbackHost } from "@sticky-proxy/core/http";
import { createRuleBook, type ProcessRecord } from "@sticky-proxy/core/process";
import { createCancelHook, createProcesses, type Processes } from "@sticky-proxy/engine";
import {
  createToken,
  findByKey,
  listServices,
  listTokens,
  placesOfKey,
  storeNow,
  type TokenPorts,
} from "@sticky-proxy/operations";
import { heartbeatMs, openHeartbeat, openNode, type OpenNode } from "@sticky-proxy/node";
import {
  configText,
  createRedactor,
  sleep,
  startTasks,
  systemClock,
  version,
  type Config,
  type ServiceParts,
} from "@sticky-proxy/runtime";
import {
  createApiKeyStore,
  createAudit,
  createBulkJobs,
  createDifferences,
  createIdMap,
  createMigrations,
  createMirrorChain,
  createMirrorOutbox,
  createOperatorTokens,
  createSessions,
} from "@sticky-proxy/store";
import { createAdminApp } from "./app.ts";
import { cookieShape } from "./access/cookie.ts";
import { createLoginLimit } from "./access/login-limit.ts";
import { createLogins, type TrustedHeader } from "./access/logins.ts";
import type { AdminDeps } from "./deps.ts";
import { leadBulk } from "./bulk/bulk-leader.ts";
import { createPages } from "./http/pages.ts";
import { readPanel } from "./panel/read-panel.ts";

/** The panel would be open to a network with nothing to log in by. */
export class AdminOpen extends CodedError {
  override readonly name = "AdminOpen";
  override readonly code = "ADMIN_OPEN";
}

export interface StartedAdmin {
  readonly port: number;
  /** A token that works once, for the link that a first start prints; null: there are tokens already. */
  readonly firstToken: string | null;
}

/** Another admin service goes on with a bulk job so long after its leader has gone. */
const bulkLeadershipMs = 6000;
const panelFolder = fileURLToPath(new URL("../panel/dist", import.meta.url));

/** Resolves when it listens. @throws StoreUnreachable, MetaMismatch; a system error when the address is taken */
export async function startAdmin(config: Config, parts: ServiceParts): Promise<StartedAdmin> {
  const { logger, metrics, lifecycle } = parts;
  const node = `${config.node}-admin`;
  const opened = await openNode({ name: node, config, logger, metrics, cacheMemoryBytes: 0 });
  const { store, registry, callers } = opened;
  const { trustedHeader, firstLogin } = config.admin;
  const hasOtherWay = isPrivate(config.adminHost) || trustedHeader !== null || firstLogin;
  if (!hasOtherWay && (await createOperatorTokens(store).list()).length === 0) {
    await opened.close();
    throw new AdminOpen(
      `adminHost ${config.adminHost ?? "(every interface)"} is no loopback address and nobody has a token: make one first ` +
        "with sticky-proxy token create, or leave adminHost at 127.0.0.1",
    );
  }
  const deps = adminDeps(config, opened, node, logger);
  const heartbeat = await openHeartbeat({
    registry,
    id: node,
    role: "admin",
    config,
    fingerprints: [],
    monotonic: systemClock.monotonic,
    logger,
    metrics,
  });
  startTasks([{ name: "admin.heartbeat", periodMs: heartbeatMs, jitter: 0.1, run: () => heartbeat.beat() }], {
    logger,
    metrics,
    lifecycle,
  });
  const leading = opened.nodeLocks.locks.lead("admin-bulk", bulkLeadershipMs, lifecycle.signal, (signal) =>
    leadBulk({ ...deps.bulk, now: deps.now, sleep, logger }, signal),
  );
  lifecycle.onShutdown("stop-claiming", "admin-bulk", () => leading);
  const app = createAdminApp({
    deps,
    addressOf: ({ req }) => addressOf(req, config),
    monotonic: systemClock.monotonic,
    logger,
    basePath: config.admin.basePath ?? "",
    panel: await readPanel(panelFolder, config.admin.basePath ?? ""),
  });
  const handle = app.callback();
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    void handle(request, response);
  });
  const port = await listen(server, config.adminPort, config.adminHost);
  lifecycle.onShutdown("close-ops", "admin-server", () => {
    server.closeAllConnections();
    server.close();
    return Promise.resolve();
  });
  lifecycle.onShutdown("flush", "admin-upstream", async () => {
    await deps.idle();
    callers.close();
  });
  lifecycle.onShutdown("close-store", "admin-store", async () => {
    await heartbeat.leave().catch(() => undefined);
    await opened.close();
  });
  const mayPrint = isPrivate(config.adminHost) || firstLogin;
  return { port, firstToken: mayPrint ? await firstToken(deps.tokens) : null };
}

function adminDeps(
  config: Config,
  { store, cached, registry, callers, series }: OpenNode,
  node: string,
  logger: ServiceParts["logger"],
): AdminDeps & { readonly idle: () => Promise<void> } {
  const { redis, keys, meta } = store;
  const rules = createRuleBook(() => config.services);
  const processes = createProcesses({
    store: store.processes,
    node,
    rulesOf: (record) => rules.rulesOf(record),
    deadLetterMs: config.retention.deadLetterMs,
    random: Math.random,
    newId: () => randomBytes(12).toString("base64url"),
    clock: systemClock,
    onTransition: () => undefined,
    confirm: store.confirm,
  });
  const cancelHook = createCancelHook({
    callers,
    find: (record) => rules.find(record),
    random: Math.random,
    onOutcome: (record, outcome, detail) =>
      logger.info("admin.cancel-hook", { service: record.service, outcome, detail }),
  });
  const tellCancelled = (record: ProcessRecord): void => cancelHook.tell(record);
  const serviceNames = () =>
    listServices({ configured: config.services, registered: () => registry.services() });
  const background = new Set<Promise<void>>();
  const tokens: TokenPorts = { tokens: createOperatorTokens(store), randomBytes };
  const cookie = cookieShape(config.admin.basePath ?? "");
  const mirrorParts = {
    writes: redis.writes,
    reads: redis.reads,
    keys,
    partitions: meta.partitions,
    sealing: store.sealing,
  };
  const secret = meta.secret;
  return {
    audit: createAudit(store),
    logins: createLogins({
      ...tokens,
      sessions: createSessions(store),
      limit: createLoginLimit(systemClock.monotonic),
      cookie,
      trustedHeader: trustedHeaderOf(config),
    }),
    cookie,
    tokens,
    pages: createPages(secret.toString("base64url")),
    processes,
    tellCancelled,
    lookUp: lookUpIn(config, store, processes),
    configured: () => config.services,
    serviceNames,
    now: () => storeNow(processes),
    redact: createRedactor(secret),
    registry,
    cache: {
      store: cached.store,
      get services() {
        return config.services; // a reload replaces them
      },
    },
    bulk: {
      jobs: createBulkJobs(store),
      ports: { processes, tellCancelled, serviceNames },
      newId: () => randomBytes(9).toString("base64url"),
      inBackground(what, work) {
        const ended = work()
          .catch((err: unknown) => logger.error("admin.background-failed", { what, err }))
          .finally(() => background.delete(ended));
        background.add(ended);
      },
    },
    idle: async () => {
      await Promise.all(background);
      await cancelHook.idle();
    },
    mirror: {
      ids: createIdMap(mirrorParts),
      chain: createMirrorChain(mirrorParts),
      outbox: createMirrorOutbox(mirrorParts),
      differences: createDifferences(mirrorParts),
      clock: systemClock,
    },
    moving: movingPorts(config, mirrorParts),
    series,
    version: version(),
    environment: config.admin.environment ?? config.node,
    configText: () => configText(config),
  };
}

function movingPorts(config: Config, parts: Parameters<typeof createDifferences>[0]): AdminDeps["moving"] {
  return {
    migrations: createMigrations(parts),
    outbox: createMirrorOutbox(parts),
    differences: createDifferences(parts),
    configured: () => config.services,
    clock: systemClock,
    sleep,
    newToken: () => randomBytes(9).toString("base64url"),
  };
}

/** The client's address: from X-Forwarded-For where the peer is a trusted proxy. */
function addressOf(request: IncomingMessage, config: Config): string {
  const isTrusted = addressSet(config.trustedProxies);
  const found = clientAddress(request.socket.remoteAddress ?? "", headerList(request.rawHeaders), isTrusted);
  return found.ok ? found.address : (request.socket.remoteAddress ?? "");
}

function lookUpIn(config: Config, store: OpenNode["store"], processes: Processes): AdminDeps["lookUp"] {
  const secret = createSecretKey(store.meta.secret);
  const apiKeys = createApiKeyStore(store);
  return async function lookUp(by) {
    if ("jobId" in by) {
      const ref = (await store.processes.jobHolders(by.service, by.jobId)).at(-1);
      return ref === undefined ? null : (await processes.read(ref, { withResult: false })).record;
    }
    const holders = by.principal === undefined ? [...(await apiKeys.all()).values()] : [];
    const scopes = placesOfKey(secret, by, {
      service: config.services.find(({ name }) => name === by.service) ?? null,
      principals: [...new Set(holders.map(({ principal }) => principal))],
      hosts: config.publicUrl === null ? ["localhost"] : [new URL(config.publicUrl).host, "localhost"],
    });
    return findByKey(processes, scopes);
  };
}

/** null: operators log in by tokens alone. */
function trustedHeaderOf({ admin: { trustedHeader } }: Config): TrustedHeader | null {
  if (trustedHeader === null) return null;
  const { user, groups, peers, ...roles } = trustedHeader;
  return { user, groups, isTrusted: addressSet(peers), roles };
}

function isPrivate(host: string | null): boolean {
  return host !== null && isLoopbackHost(host);
}

/** An installation without any token gets one that works once, as admin, for ten minutes. */
async function firstToken(tokens: TokenPorts): Promise<string | null> {
  if ((await listTokens(tokens)).length > 0) return null;
  const made = await createToken(tokens, { name: "first login", role: "admin", ttlMs: 600_000, once: true });
  return made.secret;
}

function listen(server: Server, port: number, host: string | null): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, ...(host === null ? {} : { host }) }, () => {
      server.off("error", reject);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}
