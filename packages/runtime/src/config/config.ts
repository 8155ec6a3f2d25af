/**
 * The configuration of one node after every default is applied and every relation checked.
 * `loadConfig` makes it; everybody else only reads it. Nobody else reads the environment.
 * Spans are milliseconds, sizes are bytes.
 */
import type { Service } from "@sticky-proxy/core/registry";

export interface Config {
  /** Name of this node in logs, metrics and leases: unique among the replicas and over restarts. */
  readonly node: string;
  readonly log: { readonly level: LogLevel };
  /** Address of the data plane; null: every interface. */
  readonly host: string | null;
  /** 0: any free port. */
  readonly port: number;
  readonly opsHost: string | null;
  readonly opsPort: number;
  /** Reserved for the admin service. */
  readonly adminHost: string | null;
  /** Reserved for the admin service. */
  readonly adminPort: number;
  /** Base of callback URLs, no trailing slash; null: `http://127.0.0.1:<the bound port>` ({@link publicBase}). */
  readonly publicUrl: string | null;
  /** Lower-case hosts this gateway answers for, 421 for others; empty: all. */
  readonly hosts: readonly string[];
  /** CIDR blocks whose forwarding fields are believed. */
  readonly trustedProxies: readonly string[];
  /** CIDR blocks from which `x-dual-write-executed` counts as a loop marker. */
  readonly trustedPeers: readonly string[];
  readonly mirror: {
    /** Standard Webhooks secrets that sign loop markers between gateways in a row; empty: only our own replicas. */
    readonly secrets: readonly string[];
  };
  readonly limits: Limits;
  readonly redis: RedisConfig;
  readonly cache: CacheConfig;
  readonly sweeper: { readonly tickMs: number; readonly batch: number };
  readonly retention: {
    /** From its end; meanwhile it is listed and can be redriven, whatever the result's TTL. */
    readonly deadLetterMs: number;
    /** Transitions kept per partition for timelines. */
    readonly timelineEntries: number;
  };
  readonly shutdown: {
    /** Between "not ready" and the first refusal, so that balancers notice. Skipped on SIGINT. */
    readonly drainDelayMs: number;
    /** The process exits with 1 when it is still alive after this. */
    readonly hardMs: number;
  };
  /** Endpoints that `Sticky-Callback` may name. */
  readonly webhooks: readonly WebhookEndpoint[];
  /** First match wins: longer paths come before shorter ones, a named host before any host. */
  readonly services: readonly Service[];
}

export type LogLevel = "error" | "warn" | "info" | "debug";

export interface Limits {
  /** Request head: 431 above. */
  readonly headerBytes: number;
  readonly headerLines: number;
  /** Request target: 414 above. */
  readonly targetBytes: number;
  /** Response head of a service: 502 above. */
  readonly upstreamHeaderBytes: number;
  /** For the whole request head: 408. */
  readonly headersTimeoutMs: number;
  /** For the whole request body: 408. */
  readonly bodyTimeoutMs: number;
  /** Least rate of a request body after its first 5 s: 408; 0: none. */
  readonly bodyMinBytesPerSecond: number;
  /** A client that takes no byte for so long is cut off. */
  readonly writeIdleMs: number;
  /** Toward clients: above the balancer's. */
  readonly keepAliveMs: number;
  /** Toward services: below theirs. */
  readonly upstreamKeepAliveMs: number;
  readonly maxRequestsPerSocket: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Clients held for a result on this node; beyond it they get 202 or 504 at once. */
  readonly maxWaiters: number;
  /** Event streams open on this node; beyond it a stream ends after its first event. */
  readonly maxEventStreams: number;
}

export type DurabilityProfile = "dev" | "standard" | "ha" | "ha+quorum";

/** Exactly one of `url`, `sentinels`, `cluster` is set. */
export interface RedisConfig {
  readonly url: string | null;
  readonly sentinels: {
    readonly master: string;
    readonly nodes: readonly RedisNode[];
    readonly username: string | null;
    readonly password: string | null;
    readonly sentinelPassword: string | null;
    readonly db: number;
    readonly tls: boolean;
  } | null;
  readonly cluster: {
    readonly nodes: readonly RedisNode[];
    readonly username: string | null;
    readonly password: string | null;
    readonly tls: boolean;
  } | null;
  readonly profile: DurabilityProfile;
  /** Settings that break the profile make the node not ready; false: they are only told. */
  readonly enforce: boolean;
  /** Settings that cannot be seen count as wrong. */
  readonly strict: boolean;
  /** Begins every key, ends in ":". */
  readonly keyPrefix: string;
  /** URLs of the independent lock Redises (`ha+quorum`): odd, at least 3; empty: none. */
  readonly lockNodes: readonly string[];
  /** Fixed at first start, compared at every start. */
  readonly partitions: number;
}

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

export interface CacheConfig {
  /** A Redis of the cache's own; null: the state Redis. */
  readonly redis: string | null;
  /** Eviction starts here when the cache shares the state Redis. */
  readonly maxBytes: number;
  /** Bodies kept in this node's memory. */
  readonly memoryBytes: number;
  /** Bearer token that allows PURGE on the data plane; null: PURGE is off. */
  readonly purgeToken: string | null;
}

export interface WebhookEndpoint {
  readonly name: string;
  readonly url: string;
  /** Standard Webhooks secrets ("whsec_<base64>"), newest first. */
  readonly secrets: readonly string[];
  /** The address may be private (never link-local). */
  readonly allowPrivate: boolean;
}

/** The base of callback URLs once the data plane listens on `boundPort`. */
export function publicBase(config: Pick<Config, "publicUrl">, boundPort: number): string {
  return config.publicUrl ?? `http://127.0.0.1:${boundPort}`;
}
