/**
 * What entries must hold toward each other. It walks data that may still be malformed (the schema has said so),
 * so that one run lists every error; hence each value is looked at before it is believed.
 */
import { addressFault, addressOfHost, isLoopbackHost } from "@sticky-proxy/core/http";
import { isCredential } from "@sticky-proxy/core/mirror";

export interface ConfigError {
  /** Dotted, e.g. "services.payments.routes.0.cache"; "" is the whole configuration. */
  readonly path: string;
  readonly message: string;
}

type Report = (path: string, message: string) => void;
type Fields = Readonly<Record<string, unknown>>;

/** Every broken relation of a configuration that has been through the schema (with or without errors). */
export function brokenRelations(config: unknown, needsServices = true): ConfigError[] {
  const errors: ConfigError[] = [];
  const report: Report = (path, message) => errors.push({ path, message });
  const root = fields(config);
  checkPorts(root, report);
  checkRedis(fields(root.redis), report);
  const shutdown = fields(root.shutdown);
  if (isAbove(shutdown.drainDelayMs, shutdown.hardMs, true))
    report("shutdown.drainDelayMs", "must be below shutdown.hardMs");
  for (const [name, webhook] of Object.entries(fields(root.webhooks))) {
    const { url, allowPrivate } = fields(webhook);
    const fault = typeof url === "string" ? addressFaultOf(url, allowPrivate === true) : null;
    if (fault !== null) report(`webhooks.${name}.url`, fault);
  }
  const services = fields(root.services);
  if (needsServices && Object.keys(services).length === 0)
    report(
      "services",
      "no service is configured: give a configuration file (--config, STICKY_CONFIG) or --origin",
    );
  checkMatches(services, report);
  for (const [name, service] of Object.entries(services)) checkService(name, fields(service), root, report);
  checkMirrors(services, report);
  return errors;
}

function checkPorts(root: Fields, report: Report): void {
  const seen = new Map<number, string>();
  for (const name of ["port", "opsPort", "adminPort"] as const) {
    const port = root[name];
    if (typeof port !== "number" || port === 0) continue;
    const other = seen.get(port);
    if (other === undefined) seen.set(port, name);
    else report(name, `must differ from ${other}`);
  }
}

function checkRedis(redis: Fields, report: Report): void {
  const ways = ["url", "sentinels", "cluster"].filter(
    (way) => redis[way] !== undefined && redis[way] !== null,
  );
  if (ways.length > 1) report("redis", `give one of url, sentinels, cluster, not ${ways.join(" and ")}`);
  const lockNodes = items(redis.lockNodes);
  if (redis.profile === "ha+quorum") {
    if (lockNodes.length < 3 || lockNodes.length % 2 === 0)
      report("redis.lockNodes", "profile ha+quorum needs an odd number of lock Redises, at least 3");
  } else if (lockNodes.length > 0) report("redis.lockNodes", "only profile ha+quorum uses lock Redises");
  if (new Set(lockNodes).size !== lockNodes.length)
    report("redis.lockNodes", "must not name one Redis twice");
}

function checkMatches(services: Fields, report: Report): void {
  const seen = new Map<string, string>();
  for (const [name, service] of Object.entries(services)) {
    const match = fields(service).match;
    if (match === "none") continue;
    const { host, path } = fields(match);
    const where = `${typeof host === "string" ? host : "*"} ${typeof path === "string" ? path : `/${name}`}`;
    const other = seen.get(where);
    if (other === undefined) seen.set(where, name);
    else report(`services.${name}.match`, `is the same as that of services.${other}`);
    if (typeof path === "string") checkReserved(`services.${name}.match.path`, path, report);
  }
}

function checkReserved(at: string, path: string, report: Report): void {
  if (path === "/_sticky" || path.startsWith("/_sticky/"))
    report(at, "must not lie under /_sticky, which the gateway answers itself");
}

function checkService(name: string, service: Fields, root: Fields, report: Report): void {
  const at = `services.${name}`;
  const origins = items(service.instances).map(instanceOrigin);
  const names = items(service.instances).map((instance) => fields(instance).name);
  origins.forEach((origin, i) => {
    if (origin === null) return;
    if (origins.indexOf(origin) !== i) report(`${at}.instances.${i}`, `${origin} is listed twice`);
    if (isOurs(origin, root)) report(`${at}.instances.${i}`, "is this gateway's own address");
  });
  names.forEach((label, i) => {
    if (label !== undefined && names.indexOf(label) !== i)
      report(`${at}.instances.${i}.name`, "is used twice in this service");
  });
  const health = fields(service.health);
  if (isAbove(health.timeoutMs, health.intervalMs))
    report(`${at}.health.timeoutMs`, "must not exceed intervalMs");
  checkCallbackAuth(at, fields(service.callbackAuth), report);
  const routes = items(service.routes).map(fields);
  routes.forEach((route, i) => checkRoute(`${at}.routes.${i}`, route, service, report));
  checkRouteNames(at, routes, report);
}

function checkCallbackAuth(at: string, auth: Fields, report: Report): void {
  const secrets = items(auth.secrets);
  if (auth.mode === "none" && auth.insecure !== true)
    report(`${at}.callbackAuth.mode`, "none lets anybody end a process; say insecure: true if that is meant");
  if ((auth.mode === "signature" || auth.mode === "both") && secrets.length === 0)
    report(`${at}.callbackAuth.secrets`, `mode ${auth.mode} needs at least one secret`);
  if (new Set(secrets).size !== secrets.length)
    report(`${at}.callbackAuth.secrets`, "holds one secret twice");
}

function checkRouteNames(at: string, routes: readonly Fields[], report: Report): void {
  const seen = new Map<string, number>();
  routes.forEach((route, i) => {
    const match = fields(route.match);
    const template = `${items(match.methods)
      .map(String)
      .toSorted((a, b) => a.localeCompare(b))
      .join(",")} ${String(match.path)}`;
    const name = typeof route.name === "string" ? `name ${route.name}` : `match ${template}`;
    for (const key of new Set([name, `match ${template}`])) {
      const first = seen.get(key);
      if (first === undefined) seen.set(key, i);
      else
        report(
          `${at}.routes.${i}`,
          `has the same ${key.startsWith("name") ? "name" : "match"} as routes[${first}]`,
        );
    }
  });
}

function checkRoute(at: string, route: Fields, service: Fields, report: Report): void {
  const hasProcess = isObject(route.process);
  const hasCache = isObject(route.cache);
  const hasMirror = isObject(route.mirror);
  if (hasProcess && hasCache) report(at, "a route may not have both cache and process");
  if (route.allowUpgrade === true && (hasProcess || hasCache || hasMirror))
    report(`${at}.allowUpgrade`, "an upgraded connection cannot be cached, mirrored or made a process");
  const path = fields(route.match).path;
  if (typeof path === "string" && fields(service.match).path === "/")
    checkReserved(`${at}.match.path`, path, report);
  for (const retries of ["retries", "process.retries"] as const) {
    const holder = retries === "retries" ? route : fields(route.process);
    const { minMs, maxMs } = fields(holder.retries);
    if (isAbove(minMs, maxMs)) report(`${at}.${retries}.minMs`, "must not exceed maxMs");
  }
  if (hasProcess) checkProcess(`${at}.process`, fields(route.process), route, service, report);
  if (hasMirror) checkMirror(`${at}.mirror`, fields(route.mirror), route, service, report);
}

function checkProcess(at: string, process: Fields, route: Fields, service: Fields, report: Report): void {
  if (process.key !== undefined && process.identity !== "key")
    report(`${at}.key`, "is only for identity key");
  if (process.force === true && process.identity === "none")
    report(`${at}.force`, "identity none always starts anew, there is nothing to force");
  if (process.retries !== undefined && route.retries !== undefined)
    report(`${at}.retries`, "is also given on the route; give one of the two");
  if (isAbove(process.heartbeatTimeoutMs, process.deadlineMs))
    report(`${at}.heartbeatTimeoutMs`, "must not exceed deadlineMs");
  const poll = fields(process.pollLocation);
  if (isAbove(poll.minMs, poll.maxMs)) report(`${at}.pollLocation.minMs`, "must not exceed maxMs");
  const unknown = isObject(process.onUnknown)
    ? Object.entries(process.onUnknown)
    : [["", process.onUnknown] as const];
  for (const [event, word] of unknown) {
    const where = event === "" ? `${at}.onUnknown` : `${at}.onUnknown.${event}`;
    if (word === "retry" && service.honoursKey !== true)
      report(where, "retry needs a service that honoursKey: it may already have run the request");
    if (word === "probe" && !isObject(process.probe)) report(where, "probe needs process.probe");
  }
  const auth = fields(service.callbackAuth);
  const hasProof =
    items(auth.secrets).length > 0 || typeof auth.sharedToken === "string" || auth.mode === "none";
  if (isObject(fields(process.callback).correlate) && !hasProof)
    report(
      `${at}.callback.correlate`,
      "needs callbackAuth.secrets or callbackAuth.sharedToken of the service",
    );
}

function checkMirror(at: string, mirror: Fields, route: Fields, service: Fields, report: Report): void {
  if (mirror.mode === "dual-write") {
    const { header } = fields(mirror.orderKey);
    const credential = items(service.credential).map((name) => String(name).toLowerCase());
    if (typeof header === "string" && isCredential(header.toLowerCase(), credential))
      report(`${at}.orderKey.header`, "is a credential, which is not kept for a copy");
    if (mirror.rate !== undefined)
      report(`${at}.rate`, "dual-write mirrors everything; sample compare.sampleRate instead");
    if (mirror.credentials === "forward")
      report(`${at}.credentials`, "dual-write never stores credentials, so it cannot forward them");
    if (isObject(route.cache)) report(at, "dual-write is for writes and may not be on a cached route");
  }
  const methods = items(fields(route.match).methods);
  const readsOnly = methods.length > 0 && methods.every((method) => method === "GET" || method === "HEAD");
  if (mirror.mode === "dual-read" && !readsOnly)
    report(at, "dual-read needs match.methods of GET and HEAD only");
}

/** The secondary exists, is another service, and no chain of mirrors comes back to where it began. */
function checkMirrors(services: Fields, report: Report): void {
  const edges = new Map<string, Set<string>>();
  for (const [name, service] of Object.entries(services)) {
    items(fields(service).routes).forEach((route, i) => {
      const mirror = fields(fields(route).mirror);
      if (typeof mirror.to !== "string") return;
      const at = `services.${name}.routes.${i}.mirror.to`;
      if (mirror.to === name) report(at, "leads back to the service itself");
      else if (!Object.hasOwn(services, mirror.to)) report(at, `there is no service named ${mirror.to}`);
      else {
        const ours = new Set(items(fields(service).instances).map(instanceOrigin));
        const theirs = items(fields(services[mirror.to]).instances).map(instanceOrigin);
        if (theirs.some((origin) => origin !== null && ours.has(origin)))
          report(at, `${mirror.to} shares an instance with ${name}`);
        edges.set(name, (edges.get(name) ?? new Set()).add(mirror.to));
        if (reaches(edges, mirror.to, name)) report(at, `mirrors of ${mirror.to} lead back to ${name}`);
      }
    });
  }
}

function reaches(edges: ReadonlyMap<string, ReadonlySet<string>>, from: string, to: string): boolean {
  const seen = new Set<string>();
  const open = [from];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === to) return true;
    if (seen.has(name)) continue;
    seen.add(name);
    open.push(...(edges.get(name) ?? []));
  }
  return false;
}

/** "http://127.0.0.1:4001" of an instance entry, or null when it is malformed. */
export function instanceOrigin(instance: unknown): string | null {
  const url = typeof instance === "string" ? instance : fields(instance).url;
  if (typeof url !== "string" || !URL.canParse(url)) return null;
  const { protocol, origin } = new URL(url);
  return protocol === "http:" || protocol === "https:" ? origin : null;
}

function isOurs(origin: string, root: Fields): boolean {
  const url = new URL(origin);
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  const listens = (hostName: string, portName: string): boolean => {
    if (root[portName] !== port) return false;
    const host = root[hostName];
    return url.hostname === host || isLoopbackHost(url.hostname);
  };
  return listens("host", "port") || listens("opsHost", "opsPort") || listens("adminHost", "adminPort");
}

/** What the guard of outgoing calls will say. Literal addresses only; a name is checked when it is connected to. */
function addressFaultOf(value: string, allowPrivate: boolean): string | null {
  if (!URL.canParse(value)) return null;
  const { hostname } = new URL(value);
  const address = addressOfHost(hostname) ?? (isLoopbackHost(hostname) ? "127.0.0.1" : null);
  const fault = address === null ? null : addressFault(address, allowPrivate);
  if (address === null || fault === null) return null;
  return addressFault(address, true) === null
    ? "is a private address; say allowPrivate: true if that is meant"
    : `is an address that is never called: ${fault}`;
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fields(value: unknown): Fields {
  return isObject(value) ? value : {};
}

function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isAbove(low: unknown, high: unknown, orEqual = false): boolean {
  if (typeof low !== "number" || typeof high !== "number") return false;
  return orEqual ? low >= high : low > high;
}
