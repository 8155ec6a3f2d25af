/**
 * What entries must hold toward each other. It reads the part that the schema has accepted, so that one run lists every
 * fault; a relation that rests on a refused entry is left to the next run.
 */
import { addressFault, addressOfHost, isLoopbackHost, portFault } from "@sticky-proxy/core/http";
import { conditionText } from "@sticky-proxy/core/registry";
import { checkMigrations, checkMirrors } from "./relations-mirror.ts";
import { derivedName } from "./resolve-route.ts";
import { checkReserved, checkRoute } from "./relations-route.ts";
import type { SoundConfig } from "./schema.ts";
import { soundItems, type Report, type SoundService } from "./sound.ts";

export interface ConfigError {
  /** Dotted, e.g. "services.payments.routes.0.cache"; "" is the whole configuration. */
  readonly path: string;
  readonly message: string;
}

/** @param refused paths of what the schema has refused */
export function brokenRelations(
  config: SoundConfig,
  refused: readonly string[] = [],
  needsServices = true,
): ConfigError[] {
  const errors: ConfigError[] = [];
  const isWithin = (path: string, outer: string): boolean => path === outer || path.startsWith(`${outer}.`);
  const report: Report = (path, message, ...others) => {
    const isOpen = refused.some(
      (entry) =>
        isWithin(path, entry) || others.some((other) => isWithin(other, entry) || isWithin(entry, other)),
    );
    if (!isOpen) errors.push({ path, message });
  };
  checkPorts(config, report);
  checkRedis(config.redis, report);
  checkKeys(config.encryption, report);
  const { shutdown, services } = config;
  if (shutdown.drainDelayMs >= shutdown.hardMs)
    report("shutdown.drainDelayMs", "must be below shutdown.hardMs", "shutdown.hardMs");
  for (const [name, { url, allowPrivate }] of Object.entries(config.webhooks)) {
    const fault = url === undefined ? null : addressFaultOf(url, allowPrivate);
    if (fault !== null) report(`webhooks.${name}.url`, fault, `webhooks.${name}.allowPrivate`);
  }
  if (needsServices && Object.keys(services).length === 0)
    report(
      "services",
      "no service is configured: give a configuration file (--config, STICKY_CONFIG) or --origin",
      "services",
    );
  const told = config.mirror.alerts?.webhook;
  if (told !== undefined && !Object.hasOwn(config.webhooks, told))
    report("mirror.alerts.webhook", `there is no webhook named ${told}`, `webhooks.${told}`);
  checkAuthentication(config, report);
  checkMatches(services, report);
  for (const [name, service] of Object.entries(services)) checkService(name, service, config, report);
  checkMirrors(services, report);
  checkMigrations(services, report);
  checkCors("cors", config.cors, report);
  for (const [name, { cors }] of Object.entries(services)) checkCors(`services.${name}.cors`, cors, report);
  return errors;
}

function checkKeys({ keys }: SoundConfig["encryption"], report: Report): void {
  const seen = new Set<string>();
  for (const [i, { id }] of soundItems(keys)) {
    if (id !== undefined && seen.has(id)) report(`encryption.keys.${i}.id`, "names another key already");
    if (id !== undefined) seen.add(id);
  }
}

function checkAuthentication({ authentication, services, tls }: SoundConfig, report: Report): void {
  const byCertificate = authentication.methods.findIndex((method) => method?.type === "client-certificate");
  if (byCertificate !== -1 && (tls?.clientCa ?? null) === null)
    report(
      `authentication.methods.${byCertificate}`,
      "needs tls.clientCa: nobody is asked for a certificate",
      "tls",
    );
  if (authentication.methods.length > 0) return;
  for (const [name, { authentication: mode }] of Object.entries(services))
    if (mode === "required" || mode === "optional")
      report(`services.${name}.authentication`, `${mode} needs authentication.methods`, "authentication");
}

function checkCors(at: string, cors: SoundConfig["cors"], report: Report): void {
  if (cors?.credentials === true && soundItems(cors.origins).some(([, origin]) => origin === "*"))
    report(
      `${at}.credentials`,
      "needs origins by name: every site could act with its visitors' cookies",
      `${at}.origins`,
    );
}

function checkPorts(config: SoundConfig, report: Report): void {
  const seen = new Map<number, string>();
  for (const name of ["port", "opsPort", "adminPort"] as const) {
    const port = config[name];
    if (port === 0) continue;
    const other = seen.get(port);
    if (other === undefined) seen.set(port, name);
    else report(name, `must differ from ${other}`, other);
  }
}

function checkRedis(redis: SoundConfig["redis"], report: Report): void {
  const ways = (["url", "sentinels", "cluster"] as const).filter((way) => (redis[way] ?? null) !== null);
  if (ways.length > 1) report("redis", `give one of url, sentinels, cluster, not ${ways.join(" and ")}`);
  const at = "redis.lockNodes";
  const { lockNodes } = redis;
  if (redis.profile === "ha+quorum") {
    if (lockNodes.length < 3 || lockNodes.length % 2 === 0)
      report(at, "profile ha+quorum needs an odd number of lock Redises, at least 3");
  } else if (lockNodes.length > 0) report(at, "only profile ha+quorum uses lock Redises", "redis.profile");
  if (hasRepeats(lockNodes)) report(at, "must not name one Redis twice");
}

/** Whether `item` has been seen before; it is seen now. */
function isRepeated(seen: Set<string>, item: string | undefined): boolean {
  if (item === undefined) return false;
  const isKnown = seen.has(item);
  seen.add(item);
  return isKnown;
}

function hasRepeats(list: readonly (string | undefined)[]): boolean {
  const seen = new Set<string>();
  return list.some((item) => isRepeated(seen, item));
}

function checkMatches(services: SoundConfig["services"], report: Report): void {
  const seen = new Map<string, string>();
  for (const [name, { match }] of Object.entries(services)) {
    if (match === "none") continue;
    const at = `services.${name}.match`;
    const asked = conditionText({ headers: match?.headers ?? {}, query: match?.query ?? {} });
    const hosts = match?.host == null ? ["*"] : soundItems(match.host).map(([, host]) => host);
    const taken = hosts.map((host) => `${host} ${match?.path ?? `/${name}`} ${asked}`);
    if (hasRepeats(hosts)) report(`${at}.host`, "names one host twice");
    const other = taken
      .map((where) => seen.get(where))
      .find((owner) => owner !== undefined && owner !== name);
    if (other === undefined) for (const where of taken) seen.set(where, name);
    else report(at, `is the same as that of services.${other}`, at, `services.${other}.match`);
    if (match?.path !== undefined) checkReserved(`${at}.path`, match.path, report);
  }
}

function checkService(name: string, service: SoundService, config: SoundConfig, report: Report): void {
  const at = `services.${name}`;
  const origins = new Set<string>();
  const names = new Set<string>();
  for (const [i, instance] of soundItems(service.instances)) {
    const origin = instance.url === undefined ? undefined : new URL(instance.url).origin;
    if (isRepeated(origins, origin)) report(`${at}.instances.${i}`, `${origin} is listed twice`);
    if (origin !== undefined && isOurs(origin, config))
      report(`${at}.instances.${i}`, "is this gateway's own address");
    if (isRepeated(names, instance.name))
      report(`${at}.instances.${i}.name`, "is used twice in this service");
  }
  const { health } = service;
  if (health !== null && health.timeoutMs > health.intervalMs)
    report(`${at}.health.timeoutMs`, "must not exceed intervalMs", `${at}.health.intervalMs`);
  const { tls } = service;
  if (tls !== null && (tls.cert === null) !== (tls.key === null))
    report(`${at}.tls`, "needs cert and key, or neither", `${at}.tls.cert`, `${at}.tls.key`);
  if (tls !== null && soundItems(service.instances).every(([, { url }]) => url?.startsWith("http:") === true))
    report(`${at}.tls`, "no instance is https", `${at}.instances`);
  checkCallbackAuth(`${at}.callbackAuth`, service.callbackAuth, report);
  for (const [i, route] of soundItems(service.routes))
    checkRoute(at, `${at}.routes.${i}`, route, service, report);
  checkRouteNames(at, service.routes, report);
}

function checkCallbackAuth(at: string, auth: SoundService["callbackAuth"], report: Report): void {
  if (auth.mode === "none" && !auth.insecure)
    report(
      `${at}.mode`,
      "none lets anybody end a process; say insecure: true if that is meant",
      `${at}.insecure`,
    );
  if ((auth.mode === "signature" || auth.mode === "both") && auth.secrets.length === 0)
    report(`${at}.secrets`, `mode ${auth.mode} needs at least one secret`);
  if (hasRepeats(auth.secrets)) report(`${at}.secrets`, "holds one secret twice");
}

function checkRouteNames(at: string, routes: SoundService["routes"], report: Report): void {
  const seen = new Map<string, number>();
  for (const [i, { name, match }] of soundItems(routes)) {
    const methods = soundItems(match.methods).map(([, method]) => method);
    const { path, host = [], headers = {}, query = {} } = match;
    const hosts = soundItems(host).map(([, name]) => name);
    const asked = { hosts: hosts.toSorted(), headers, query };
    const template = `match ${methods.toSorted((a, b) => a.localeCompare(b)).join(",")} ${path} ${conditionText(asked)}`;
    const derived = derivedName({ ...asked, hosts, path, methods });
    for (const key of [`name ${name ?? derived}`, template]) {
      const first = seen.get(key);
      if (first === undefined) seen.set(key, i);
      else
        report(
          `${at}.routes.${i}`,
          `has the same ${key.startsWith("name") ? "name" : "match"} as routes[${first}]`,
          `${at}.routes.${i}.match`,
          `${at}.routes.${first}.match`,
        );
    }
  }
}

function isOurs(origin: string, config: SoundConfig): boolean {
  const url = new URL(origin);
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  const listens = (host: string | null, ours: number): boolean =>
    ours === port && (url.hostname === host || isLoopbackHost(url.hostname));
  return (
    listens(config.host, config.port) ||
    listens(config.opsHost, config.opsPort) ||
    listens(config.adminHost, config.adminPort)
  );
}

/** What the guard of outgoing calls will say. Literal addresses only; a name is checked when it is connected to. */
function addressFaultOf(value: string, allowPrivate: boolean): string | null {
  const given = new URL(value);
  const { hostname } = given;
  const port = portFault(given);
  if (port !== null) return `is never called: ${port}`;
  const address = addressOfHost(hostname) ?? (isLoopbackHost(hostname) ? "127.0.0.1" : null);
  const fault = address === null ? null : addressFault(address, allowPrivate);
  if (address === null || fault === null) return null;
  return addressFault(address, true) === null
    ? "is a private address; say allowPrivate: true if that is meant"
    : `is an address that is never called: ${fault}`;
}
