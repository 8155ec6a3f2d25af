/**
 * The configuration of one node after every default is applied and every relation checked.
 * `loadConfig` makes it; everybody else only reads it. Nobody else reads the environment.
 * Spans are milliseconds, sizes are bytes. Its shape is the schema's, but for what {@link resolveConfig} adds.
 */
import type { Service } from "@sticky-proxy/core/registry";
import type { ValidConfig } from "./schema.ts";

export interface Config extends Omit<ValidConfig, "node" | "redis" | "webhooks" | "services"> {
  /** Name of this node in logs, metrics and leases: unique among the replicas and over restarts. */
  readonly node: string;
  readonly redis: RedisConfig;
  /** Endpoints that `Sticky-Callback` may name. */
  readonly webhooks: readonly WebhookEndpoint[];
  /** First match wins: longer paths come before shorter ones, a named host before any host. */
  readonly services: readonly Service[];
}

export type Limits = Config["limits"];

/** Exactly one of `url`, `sentinels`, `cluster` is set. */
export interface RedisConfig extends Omit<ValidConfig["redis"], "url"> {
  readonly url: string | null;
}

type WebhookEndpoint = ValidConfig["webhooks"][string] & { readonly name: string };

/** The base of callback URLs once the data plane listens on `boundPort`. */
export function publicBase(config: Pick<Config, "publicUrl" | "tls">, boundPort: number): string {
  return config.publicUrl ?? `${config.tls === null ? "http" : "https"}://127.0.0.1:${boundPort}`;
}
