/** For the wire tests: the running data plane on a loopback port, in front of a service, without Redis. */
import { usualEnvelope } from "@sticky-proxy/protocol";
import { createSecretKey } from "node:crypto";
import type { Logger } from "@sticky-proxy/runtime";
import { createForwarder, type ForwarderOptions } from "@sticky-proxy/upstream";
import type { Route, Service } from "@sticky-proxy/core/registry";

import {
  createServer,
  type ProxyDeps,
  type ProxyServer,
  type ProxySettings,
  type ListenerTls,
  type RequestObserved,
} from "@sticky-proxy/proxy";

export interface Gateway {
  readonly port: number;
  readonly server: ProxyServer;
  readonly logged: { event: string; fields: Readonly<Record<string, unknown>> }[];
  readonly observed: RequestObserved[];
  close(): Promise<void>;
}

export interface GatewayOptions {
  readonly services: readonly Service[];
  readonly settings?: Partial<Omit<ProxySettings, "limits">>;
  readonly limits?: Partial<ProxySettings["limits"]>;
  readonly forwarder?: Partial<ForwarderOptions>;
  readonly authenticator?: ProxyDeps["authenticator"];
  readonly tls?: ListenerTls;
}

export const settings: ProxySettings = {
  pseudonym: "sticky-proxy",
  loopId: "sticky-proxy-test",
  hosts: [],
  trustedProxies: [],
  proxyProtocol: [],
  cors: null,
  development: false,
  ownHosts: [],
  plainBodyBytes: 1_000_000,
  limits: {
    headerBytes: 16_384,
    headerLines: 128,
    targetBytes: 8_192,
    upstreamHeaderBytes: 16_384,
    headersTimeoutMs: 10_000,
    bodyTimeoutMs: 300_000,
    bodyMinBytesPerSecond: 0,
    writeIdleMs: 60_000,
    keepAliveMs: 65_000,
    upstreamKeepAliveMs: 4_000,
    maxRequestsPerSocket: 0,
    listenBacklog: 4096,
    loops: 0,
    maxConnections: 0,
    maxConnectionsPerAddress: 0,
    maxWaiters: 2_000,
    maxEventStreams: 100,
    validationMs: 1_000,
    copyBytes: 64 * 1024 * 1024,
    bodyBytes: 100_000_000,
  },
};

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const logged: Gateway["logged"] = [];
  const observed: RequestObserved[] = [];
  const note = (event: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    logged.push({ event, fields });
  };
  const used: ProxySettings = {
    ...settings,
    ...options.settings,
    limits: { ...settings.limits, ...options.limits },
  };
  const forwarder = createForwarder({
    pseudonym: used.pseudonym,
    loopId: used.loopId,
    ...options.forwarder,
  });
  let ids = 0;
  const log: Logger = {
    debug: note,
    info: note,
    warn: note,
    error: note,
    isOn: () => true,
    child: () => log,
  };
  const deps: ProxyDeps = {
    secret: createSecretKey(Buffer.from("secret")),
    authenticator: options.authenticator ?? null,
    rates: null,
    services: () => options.services,
    forwarder,
    tunnels: forwarder,
    tls: options.tls ?? null,
    log,
    settings: used,
    newRequestId: () => `req-${(ids += 1)}`,
    onRequest: (seen) => observed.push(seen),
  };
  const server = createServer(deps);
  const port = await server.listen(0, "127.0.0.1");
  return {
    port,
    server,
    logged,
    observed,
    async close() {
      await server.close();
      await forwarder.close();
    },
  };
}

/** A service that takes every path, as the quick form `serve --origin` makes it. */
export function service(origins: string | readonly string[], more: Partial<Service> = {}): Service {
  const list = typeof origins === "string" ? [origins] : origins;
  return {
    name: "up",
    instances: list.map((origin, i) => ({ name: `up-${i}`, origin, weight: 1 })),
    match: { host: null, path: "/" },
    health: null,
    callbackAuth: { mode: "token", secrets: [], sharedToken: null },
    limits: { maxInFlight: 100, maxQueue: 100, queueTimeoutMs: 1_000 },
    tls: null,
    timeouts: { connectMs: 1_000, firstByteMs: 5_000, idleMs: 5_000 },
    access: "id",
    credential: ["authorization", "cookie"],
    ignoredCookies: [],
    authentication: "off",
    errorEnvelope: usualEnvelope,
    hostAliases: new Map(),
    preserveHost: false,
    rewrite: "auto",
    breaker: null,
    honoursKey: false,
    paceBy: "principal",
    affinity: null,
    migration: null,
    cors: null,
    routes: [],
    ...more,
  };
}

/** A plain route. */
export function route(more: Partial<Route> = {}): Route {
  return {
    name: "any",
    match: { methods: [], path: "/" },
    process: null,
    cache: null,
    mirror: null,
    maxBodyBytes: 1_000,
    headers: { request: new Map(), response: new Map() },
    bodySchema: null,
    retries: { attempts: 1, minMs: 100, maxMs: 1_000 },
    cookies: "use",
    signatures: "whole",
    forwardCredential: false,
    allowUpgrade: false,
    ...more,
  };
}
