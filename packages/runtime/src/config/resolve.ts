/** Validated configuration → {@link Config}: defaults that depend on other entries, names, order. */
import type { AuthenticationMode } from "@sticky-proxy/core/principal";
import type { Instance, Service, ServiceMatch } from "@sticky-proxy/core/registry";
import type { Config } from "./config.ts";
import { resolveRoute } from "./resolve-route.ts";
import type { ValidConfig } from "./schema.ts";

type ValidService = ValidConfig["services"][string];

/** `node` names this process where the configuration does not. */
export function resolveConfig(valid: ValidConfig, node: string): Config {
  const { url = null, sentinels, cluster } = valid.redis;
  const usualMode = valid.authentication.methods.length > 0 ? "required" : "off";
  const isElsewhere = sentinels !== null || cluster !== null;
  return {
    ...valid,
    node: valid.node ?? node,
    redis: { ...valid.redis, url: isElsewhere ? null : (url ?? "redis://127.0.0.1:6379") },
    webhooks: Object.entries(valid.webhooks).map(([name, webhook]) => ({ ...webhook, name })),
    services: Object.entries(valid.services)
      .map(([name, service]) => resolveService(name, service, usualMode))
      .toSorted(bySpecificity),
  };
}

function resolveService(name: string, valid: ValidService, usualMode: AuthenticationMode): Service {
  const { mode, secrets, sharedToken } = valid.callbackAuth;
  return {
    ...valid,
    name,
    instances: valid.instances.map(resolveInstance),
    match: resolveMatch(name, valid.match),
    callbackAuth: { mode: mode ?? (secrets.length > 0 ? "either" : "token"), secrets, sharedToken },
    authentication: valid.authentication ?? usualMode,
    routes: valid.routes.map((route) => resolveRoute(route, valid)),
  };
}

function resolveInstance({ url: written, name, weight }: ValidService["instances"][number]): Instance {
  const url = new URL(written);
  const host = url.port === "" ? `${url.hostname}:${url.protocol === "https:" ? 443 : 80}` : url.host;
  return { name: name ?? host, origin: url.origin, weight };
}

function resolveMatch(name: string, match: ValidService["match"]): ServiceMatch {
  if (match === "none") return { host: "", path: "/" };
  const { host: hosts = null, path = `/${name}`, strip = true, ...others } = match ?? {};
  const conditions = { ...others, ...(strip ? {} : { strip }) };
  const [only, ...further] = hosts ?? [];
  // One name is the host that the service has; several, or a wildcard, are hosts that its requests may have.
  if (only !== undefined && further.length === 0 && !only.startsWith("*."))
    return { host: only, path, ...conditions };
  return { host: null, path, ...conditions, ...(hosts === null ? {} : { hosts }) };
}

/** A named host before any host, longer paths before shorter ones. */
function bySpecificity({ match: a }: Service, { match: b }: Service): number {
  const isAny = ({ host, hosts }: ServiceMatch): number => Number(host === null && hosts === undefined);
  return isAny(a) - isAny(b) || b.path.length - a.path.length;
}
