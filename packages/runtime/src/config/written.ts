/**
 * The configuration in the words of sticky.yaml, every default written out: the inverse of {@link resolveConfig}, then of
 * the schema. The node's name is left out: it is one node's own, and a file is for all.
 */
import type { MirrorPolicy, ProcessPolicy, Route, Service } from "@sticky-proxy/core/registry";
import type { Config } from "./config.ts";
import { schema, type ValidConfig, type WrittenConfig } from "./schema.ts";

type ValidService = ValidConfig["services"][string];
type ValidRoute = ValidService["routes"][number];
type ValidProcess = NonNullable<ValidRoute["process"]>;
type ValidMirror = NonNullable<ValidRoute["mirror"]>;

/** Loads to the same configuration again. Services and Redis come first: they are what people look for. */
export function writtenConfig({ node: _node, ...config }: Config): WrittenConfig {
  const written = schema.write({
    ...config,
    services: Object.fromEntries(
      config.services.map((service) => [service.name, unresolvedService(service)]),
    ),
    webhooks: Object.fromEntries(config.webhooks.map((webhook) => [webhook.name, webhook])),
  });
  return { services: {}, redis: {}, ...written };
}

function unresolvedService(service: Service): ValidService {
  const { instances, match, callbackAuth, routes } = service;
  return {
    ...service,
    fields: service.fields ?? { set: new Map() },
    instances: instances.map(({ origin, ...instance }) => ({ url: origin, ...instance })),
    match:
      match.host === ""
        ? "none"
        : {
            ...match,
            host: match.hosts ?? (match.host === null ? null : [match.host]),
            strip: match.strip !== false,
          },
    callbackAuth: { ...callbackAuth, insecure: callbackAuth.mode === "none" },
    routes: routes.map(unresolvedRoute),
  };
}

/** A bound that nobody gave is left out: written, it would bind what stays plain too. */
function unresolvedRoute({ process, mirror, headers, match, ...route }: Route): ValidRoute {
  const { boundsKeptOnly, maxBodyBytes, ...rest } = route;
  return {
    ...rest,
    ...(boundsKeptOnly === true ? {} : { maxBodyBytes }),
    match: { ...match, ...(match.hosts === undefined ? {} : { host: match.hosts }) },
    encodedSlash: rest.encodedSlash === true,
    emptySegments: rest.emptySegments === true,
    process: process && unresolvedProcess(process),
    mirror: mirror && unresolvedMirror(mirror),
    headers: { request: { set: headers.request }, response: { set: headers.response } },
  };
}

/** `key` may be written for identity `key` alone. */
function unresolvedProcess({ key, resultTtlMs, resultTtlByClass, ...rest }: ProcessPolicy): ValidProcess {
  const isOneTime = Object.keys(resultTtlByClass).length === 0;
  const lifetimes = isOneTime ? resultTtlMs : { "2xx": resultTtlMs, ...resultTtlByClass };
  return { ...rest, ...(rest.identity === "key" ? { key } : {}), resultTtlMs: lifetimes };
}

/** `rate` may not be written for dual-write. */
function unresolvedMirror({ rate, ...rest }: MirrorPolicy): ValidMirror {
  return rest.mode === "dual-write" ? rest : { ...rest, rate };
}
