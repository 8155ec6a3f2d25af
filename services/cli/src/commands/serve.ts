/** Runs the gateway: proxy, sweeper and admin in one process, or one of them, as replicas do. */
import {
  configHash,
  createLifecycle,
  createLogger,
  createMetrics,
  createOpsServer,
  createSeriesRecorder,
  loadConfig,
  needsRestart,
  readSources,
  type Config,
  type Lifecycle,
  type LoadResult,
  type ServiceParts,
  version,
} from "@sticky-proxy/runtime";
import type { StartedAdmin } from "@sticky-proxy/admin/main";
import { exitCodes, loadOrExplain, parseFlags, UsageError, type Command, type Io } from "../command.ts";

const roles = ["proxy", "sweeper", "admin"] as const;
type Role = (typeof roles)[number];

export const command: Command = {
  summary: "run the gateway (proxy, sweeper and admin; with a word only that one)",
  usage: "serve [proxy|sweeper|admin] [options]",
  async run(args, io) {
    const { flags, words } = parseFlags(args, {}, { maxWords: 1 });
    const role = readRole(words[0]);
    const loaded = loadOrExplain(flags, io, role);
    if (loaded === null) return exitCodes.config;
    const reread = (): LoadResult => {
      const read = readSources(flags, io.env, role);
      return read.ok ? loadConfig(read.sources) : read;
    };
    return serve(loaded.config, loaded.warnings, role, reread, io);
  },
};

function readRole(word: string | undefined): Role | "all" {
  if (word === undefined) return "all";
  const role = roles.find((known) => known === word);
  if (role === undefined) throw new UsageError(`serve what? "${word}" is not one of: ${roles.join(", ")}`);
  return role;
}

/** Resolves to the exit code when the process should end. */
async function serve(
  loaded: Config,
  warnings: readonly string[],
  role: Role | "all",
  reread: () => LoadResult,
  io: Io,
): Promise<number> {
  // A reload replaces `services` in this object; the parts read it from here each time.
  const config: LiveConfig = { ...loaded };
  const { promise: ended, resolve: exit } = Promise.withResolvers<number>();
  const serviceName = role === "all" ? "sticky-proxy" : role;
  const logger = createLogger({ ...config.log, fields: { serviceName, replica: config.node } });
  process.on("uncaughtExceptionMonitor", (err) => logger.error("process.crashed", { err }));
  const metrics = createMetrics({
    version: version(),
    node: config.node,
    configHash: configHash(config),
    services: config.services.map(({ name }) => name),
    routes: config.services.flatMap(({ name, routes }) =>
      routes.map((route) => ({ service: name, route: route.name })),
    ),
    withDefaults: true,
  });
  metrics.configReloadSuccess.set({}, 1);
  metrics.configReloadTimestamp.set({}, Date.now() / 1000);
  const lifecycle = createLifecycle({
    logger,
    drainDelayMs: config.shutdown.drainDelayMs,
    hardMs: config.shutdown.hardMs,
    exit,
    signals: process,
  });
  const series = createSeriesRecorder(metrics);
  const ops = createOpsServer({ metrics, logger, isDraining: () => lifecycle.isDraining });
  lifecycle.onShutdown("close-ops", "ops-server", () => ops.close());
  for (const warning of warnings) logger.warn("config.warning", { warning });

  let isStarted = false;
  ops.check("start", () =>
    isStarted ? { state: "ok" } : { state: "failed", reason: "the node is starting" },
  );
  try {
    const opsPort = await ops.listen(config.opsPort, config.opsHost);
    const started = await start(config, role, { logger, metrics, lifecycle, ops, series });
    isStarted = true;
    lifecycle.onReload(() => reload(config, reread, { logger, metrics }));
    const { port, admin } = started;
    const what =
      port === null
        ? `${role} running`
        : `listening on ${shown(config.host, port, config.tls === null ? "http" : "https")}`;
    io.err(`sticky-proxy ${what} (ops ${shown(config.opsHost, opsPort)}, node ${config.node})`);
    if (admin !== null) io.err(`admin panel ${panelLink(config, admin)}`);
  } catch (error) {
    return giveUp(error, lifecycle, io);
  }
  return ended;
}

type LiveConfig = { -readonly [K in keyof Config]: Config[K] };

/** A configuration that is not valid or needs a restart is refused as a whole: the old one stays in use. */
function reload(
  config: LiveConfig,
  reread: () => LoadResult,
  { logger, metrics }: Pick<ServiceParts, "logger" | "metrics">,
): void {
  const next = reread();
  const errors = next.ok
    ? needsRestart(config, next.config).map((entry) => `${entry}: a change needs a restart`)
    : next.errors;
  metrics.configReloadSuccess.set({}, errors.length === 0 ? 1 : 0);
  metrics.configReloadTimestamp.set({}, Date.now() / 1000);
  if (!next.ok || errors.length > 0) return logger.error("config.reload-refused", { errors });
  config.services = next.config.services;
  metrics.buildInfo.reset();
  metrics.buildInfo.set({ version: version(), node: config.node, config_hash: configHash(config) }, 1);
  logger.info("config.reloaded", { services: config.services.length });
}

interface Started {
  /** Of the data plane; null: no proxy runs here. */
  readonly port: number | null;
  /** null: no admin service runs here. */
  readonly admin: StartedAdmin | null;
}

async function start(config: Config, role: Role | "all", parts: ServiceParts): Promise<Started> {
  let port: number | null = null;
  if (role === "all" || role === "proxy") {
    const { startProxy } = await import("@sticky-proxy/proxy/main");
    ({ port } = await startProxy(config, parts));
  }
  if (role === "all" || role === "sweeper") {
    const { startSweeper } = await import("@sticky-proxy/sweeper/main");
    await startSweeper(config, parts, { isBesideProxy: role === "all" });
  }
  return { port, admin: role === "all" || role === "admin" ? await startPanel(config, role, parts) : null };
}

/** Beside proxy and sweeper the panel is a guest: a port that another gateway's panel has does not stop the gateway. */
async function startPanel(
  config: Config,
  role: Role | "all",
  parts: ServiceParts,
): Promise<StartedAdmin | null> {
  const { startAdmin } = await import("@sticky-proxy/admin/main");
  try {
    return await startAdmin(config, parts);
  } catch (err) {
    if (role === "admin" || !isSystemError(err) || err.code !== "EADDRINUSE") throw err;
    parts.logger.warn("admin.port-in-use", { port: config.adminPort, cure: "--admin-port names another" });
    return null;
  }
}

/** Where the panel is. The token stands in the fragment, which browsers send to nobody. */
function panelLink(config: Config, { port, firstToken }: StartedAdmin): string {
  const url = shown(config.adminHost, port);
  return firstToken === null ? url : `${url}/login#token=${firstToken} (works once, for 10 minutes)`;
}

/** Shuts down what has started; the reason is one line. */
async function giveUp(error: unknown, lifecycle: Lifecycle, io: Io): Promise<number> {
  io.err(`sticky-proxy: ${explain(error)}`);
  await lifecycle.shutdown("start-failed", { skipDelay: true });
  return isSystemError(error) || isStoreAway(error) ? exitCodes.unavailable : exitCodes.failed;
}

function explain(error: unknown): string {
  if (isStoreAway(error)) return `${error.message}. Another one: --redis or REDIS_URL`;
  if (!isSystemError(error)) return error instanceof Error ? error.message : String(error);
  const at = error.port === undefined ? "the address" : `port ${error.port}`;
  if (error.code === "EADDRINUSE") return `${at} is already in use; choose another with --port or --ops-port`;
  if (error.code === "EACCES") return `${at} needs more rights than this user has`;
  return error.message;
}

type SystemError = NodeJS.ErrnoException & { readonly port?: number };

/** By name: the module of the store is loaded with the services only. */
function isStoreAway(error: unknown): error is Error {
  return error instanceof Error && error.name === "StoreUnreachable";
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && "syscall" in error;
}

function shown(host: string | null, port: number, scheme: "http" | "https" = "http"): string {
  const name = host === null || host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `${scheme}://${name.includes(":") ? `[${name}]` : name}:${port}`;
}
