/** Several proxy nodes in this process, with connections of their own to one Redis, in front of one origin. */
import { usualEnvelope } from "@sticky-proxy/protocol";
import { createSecretKey, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { createInvalidation } from "@sticky-proxy/engine";
import type { CachePorts } from "@sticky-proxy/operations";
import { defaultCachePolicy, type CacheStore } from "@sticky-proxy/core/cache";
import type { CachePolicy, Route, Service } from "@sticky-proxy/core/registry";
import {
  createPurgeAccess,
  createServer,
  type CacheParts,
  type ProxyServer,
  type ProxySettings,
} from "@sticky-proxy/proxy";
import { monotonic, sleep, type Logger } from "@sticky-proxy/runtime";
import { connectRedis, createRedisCacheStore } from "@sticky-proxy/store/testing";
import { sharedRedisUrl, uniquePrefix } from "@sticky-proxy/testkit";
import { createForwarder } from "@sticky-proxy/upstream";
import { settings } from "../http/gateway.ts";

export interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  readonly text: string;
  readonly informational: readonly number[];
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
}

export interface Replicas {
  readonly ports: readonly number[];
  readonly stores: readonly CacheStore[];
  /** For the verbs of operators. */
  readonly operated: CachePorts;
  readonly results: string[];
  readonly storeErrors: string[];
  readonly logged: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[];
  /** A request to the nth replica. Rejects when the connection breaks. */
  get(path: string, ask?: Ask, replica?: number): Promise<Got>;
  close(): Promise<void>;
}

export interface ReplicaOptions {
  readonly origin: string;
  readonly policy?: Partial<CachePolicy>;
  readonly service?: Partial<Service>;
  /** Of the cached route; empty: all. */
  readonly methods?: readonly string[];
  readonly count?: number;
  readonly redisUrl?: string;
  readonly keyPrefix?: string;
  readonly purgeToken?: string | null;
  readonly silenceMs?: number;
  readonly settings?: Partial<ProxySettings>;
  /** Milliseconds that never go back; the real ones otherwise. */
  readonly monotonic?: () => number;
}

export function cachedRoute(policy: Partial<CachePolicy>, methods: readonly string[] = []): Route {
  return {
    name: "cached",
    match: { methods, path: "/" },
    process: null,
    cache: { ...defaultCachePolicy(), ...policy },
    mirror: null,
    maxBodyBytes: 1_000_000,
    headers: { request: new Map(), response: new Map() },
    bodySchema: null,
    retries: { attempts: 1, minMs: 0, maxMs: 0 },
    cookies: "use",
    signatures: "whole",
    forwardCredential: false,
    allowUpgrade: false,
  };
}

function service({ origin, policy = {}, methods = [], service: changes = {} }: ReplicaOptions): Service {
  return {
    name: "origin",
    instances: [{ name: "only", origin, weight: 1 }],
    match: { host: null, path: "/" },
    health: null,
    callbackAuth: { mode: "token", secrets: [], sharedToken: null },
    limits: { maxInFlight: 1000, maxQueue: 1000, queueTimeoutMs: 5000 },
    tls: null,
    timeouts: { connectMs: 2000, firstByteMs: 5000, idleMs: 5000 },
    access: "id",
    credential: [],
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
    routes: [cachedRoute(policy, methods)],
    ...changes,
  };
}

function purgeAccess(token: string | null): CacheParts["purge"] {
  const tokens = token === null ? [] : [{ token, services: [], peers: [] }];
  return token === null ? null : createPurgeAccess({ tokens, perSecond: 50, monotonic });
}

export async function startReplicas(options: ReplicaOptions): Promise<Replicas> {
  const url = options.redisUrl ?? (await sharedRedisUrl());
  const keyPrefix = options.keyPrefix ?? uniquePrefix();
  const results: string[] = [];
  const storeErrors: string[] = [];
  const logged: Replicas["logged"][number][] = [];
  const services = [service(options)];
  const nodes = await Promise.all(
    Array.from({ length: options.count ?? 1 }, async () => {
      const redis = connectRedis({ url });
      await redis.ready(5000);
      const silenceMs = options.silenceMs ?? 5000;
      const store = createRedisCacheStore(redis, {
        keyPrefix,
        partitions: 8,
        silenceMs,
        firstSilenceMs: silenceMs,
      });
      const forwarder = createForwarder({ pseudonym: "sticky-proxy", loopId: "cache-test" });
      const quiet = () => undefined;
      const note = (event: string, fields = {}): void => void logged.push({ event, fields });
      const log: Logger = {
        debug: quiet,
        info: note,
        warn: note,
        error: note,
        isOn: () => false,
        child: () => log,
      };
      const deps: Omit<CacheParts, "invalidation"> = {
        store,
        forwarder,
        publicOrigins: ["http://public.example"],
        purge: purgeAccess(options.purgeToken ?? null),
        log,
        observe: {
          result: (_, result) => results.push(result),
          collapsed: quiet,
          storeError: (operation) => storeErrors.push(operation),
          purged: quiet,
          purgeRefused: quiet,
        },
        newToken: () => randomBytes(9).toString("base64url"),
        monotonic: options.monotonic ?? monotonic,
        sleep,
      };
      const cache: CacheParts = {
        ...deps,
        invalidation: createInvalidation({ ...deps, onError: deps.observe.storeError }),
      };
      const server: ProxyServer = createServer({
        secret: createSecretKey(Buffer.from("secret")),
        authenticator: null,
        rates: null,
        cache,
        services: () => services,
        forwarder,
        log,
        settings: { ...settings, ...options.settings },
        newRequestId: () => randomBytes(9).toString("base64url"),
      });
      const port = await server.listen(0, "127.0.0.1");
      return { redis, store, forwarder, server, port };
    }),
  );
  const ports = nodes.map(({ port }) => port);
  return {
    ports,
    stores: nodes.map(({ store }) => store),
    operated: { store: nodes[0]!.store, services },
    results,
    storeErrors,
    logged,
    get: (path, ask = {}, replica = 0) => send(ports[replica % ports.length]!, path, ask),
    async close() {
      for (const { server, forwarder, redis } of nodes) {
        await server.close();
        await forwarder.close();
        await redis.close();
      }
    },
  };
}

function send(port: number, path: string, ask: Ask): Promise<Got> {
  return new Promise((resolve, reject) => {
    const informational: number[] = [];
    const request = httpRequest(
      {
        port,
        host: "127.0.0.1",
        path,
        method: ask.method ?? "GET",
        headers: { ...ask.headers } as never,
        agent: false,
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", reject);
        response.on("end", () => {
          if (!response.complete) return reject(new Error("cut off"));
          const body = Buffer.concat(parts);
          const { statusCode = 0, headers } = response;
          resolve({ status: statusCode, headers, body, text: body.toString("latin1"), informational });
        });
      },
    );
    request.on("information", ({ statusCode }) => informational.push(statusCode));
    request.on("error", reject);
    request.end(ask.body);
  });
}
