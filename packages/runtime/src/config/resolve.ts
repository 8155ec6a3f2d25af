/** Validated configuration → {@link Config}: defaults that depend on other entries, pointers, maps, order. */
import type { CallbackAuth, Instance, Service, ServiceMatch } from "@sticky-proxy/core/registry";
import type { Config, RedisNode } from "./config.ts";
import { resolveRoute, type ValidRoute } from "./resolve-route.ts";

/** What the schema has accepted, where it differs from what everybody else reads. */
export interface ValidConfig extends Omit<Config, "services" | "webhooks" | "redis" | "node"> {
  readonly node?: string;
  readonly redis: Omit<Config["redis"], "url" | "sentinels" | "cluster"> & {
    readonly url?: string | null;
    readonly sentinels:
      | (Omit<NonNullable<Config["redis"]["sentinels"]>, "nodes"> & { nodes: string[] })
      | null;
    readonly cluster: (Omit<NonNullable<Config["redis"]["cluster"]>, "nodes"> & { nodes: string[] }) | null;
  };
  readonly webhooks: Readonly<Record<string, Omit<Config["webhooks"][number], "name">>>;
  readonly services: Readonly<Record<string, ValidService>>;
}

interface ValidService extends Omit<
  Service,
  "name" | "instances" | "match" | "callbackAuth" | "credential" | "routes"
> {
  readonly instances: readonly (string | { url: string; name?: string; weight: number })[];
  readonly match?: "none" | { host: string | null; path?: string };
  readonly callbackAuth: Omit<CallbackAuth, "mode"> & { mode?: CallbackAuth["mode"]; insecure: boolean };
  readonly credential: "none" | readonly string[];
  readonly routes: readonly ValidRoute[];
}

/** `node` names this process where the configuration does not. */
export function resolveConfig(valid: ValidConfig, node: string): Config {
  const { url = null, sentinels, cluster } = valid.redis;
  const isElsewhere = sentinels !== null || cluster !== null;
  return {
    ...valid,
    node: valid.node ?? node,
    publicUrl: valid.publicUrl?.replace(/\/$/, "") ?? null,
    redis: {
      ...valid.redis,
      url: isElsewhere ? null : (url ?? "redis://127.0.0.1:6379"),
      sentinels: sentinels && { ...sentinels, nodes: sentinels.nodes.map(redisNode) },
      cluster: cluster && { ...cluster, nodes: cluster.nodes.map(redisNode) },
    },
    webhooks: Object.entries(valid.webhooks).map(([name, webhook]) => ({ ...webhook, name })),
    services: Object.entries(valid.services)
      .map(([name, service]) => resolveService(name, service))
      .toSorted(bySpecificity),
  };
}

function resolveService(name: string, valid: ValidService): Service {
  const { mode, secrets, sharedToken } = valid.callbackAuth;
  const credential = valid.credential === "none" ? [] : valid.credential.map((field) => lowerField(field));
  return {
    ...valid,
    name,
    instances: valid.instances.map(resolveInstance),
    match: resolveMatch(name, valid.match),
    callbackAuth: { mode: mode ?? (secrets.length > 0 ? "either" : "token"), secrets, sharedToken },
    credential,
    routes: valid.routes.map((route) => resolveRoute(route, { ...valid, credential })),
  };
}

/** Cookie names keep their case (RFC 6265), field names have none. */
function lowerField(name: string): string {
  return name.startsWith("cookie.") ? name : name.toLowerCase();
}

function resolveInstance(instance: ValidService["instances"][number]): Instance {
  const url = new URL(typeof instance === "string" ? instance : instance.url);
  const name = typeof instance === "string" ? undefined : instance.name;
  const host = url.port === "" ? `${url.hostname}:${url.protocol === "https:" ? 443 : 80}` : url.host;
  return {
    name: name ?? host,
    origin: url.origin,
    weight: typeof instance === "string" ? 1 : instance.weight,
  };
}

function resolveMatch(name: string, match: ValidService["match"]): ServiceMatch {
  if (match === "none") return { host: "", path: "/" };
  return { host: match?.host ?? null, path: match?.path ?? `/${name}` };
}

/** A named host before any host, longer paths before shorter ones. */
function bySpecificity({ match: a }: Service, { match: b }: Service): number {
  return Number(a.host === null) - Number(b.host === null) || b.path.length - a.path.length;
}

function redisNode(text: string): RedisNode {
  const colon = text.lastIndexOf(":");
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
}
