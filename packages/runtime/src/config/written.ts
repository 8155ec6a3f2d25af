/**
 * The configuration in the words of sticky.yaml, every default written out: what {@link resolveConfig} made of a file,
 * turned back. The node's name is left out: it is one node's own, and a file is for all.
 */
import { type Pointer, formatPointer } from "@sticky-proxy/protocol/json";
import type { CachePolicy, MirrorPolicy, ProcessPolicy, Route, Service } from "@sticky-proxy/core/registry";
import type { Config, RedisNode } from "./config.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Loads to the same configuration again. */
export function writtenConfig({ node: _node, services, webhooks, redis, ...rest }: Config): Fields {
  const { sentinels, cluster } = redis;
  return {
    services: Object.fromEntries(services.map((service) => [service.name, writtenService(service)])),
    redis: {
      ...redis,
      sentinels: sentinels && { ...sentinels, nodes: sentinels.nodes.map(place) },
      cluster: cluster && { ...cluster, nodes: cluster.nodes.map(place) },
    },
    ...rest,
    webhooks: Object.fromEntries(webhooks.map(({ name, ...webhook }) => [name, webhook])),
  };
}

function place({ host, port }: RedisNode): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function writtenService({ name: _name, instances, match, callbackAuth, routes, ...rest }: Service): Fields {
  return {
    instances: instances.map(({ origin, ...instance }) => ({ url: origin, ...instance })),
    match: match.host === "" ? "none" : match,
    ...rest,
    credential: rest.credential.length === 0 ? "none" : rest.credential,
    callbackAuth: { ...callbackAuth, insecure: callbackAuth.mode === "none" },
    routes: routes.map(writtenRoute),
  };
}

/** What tells who asks is written with the service. */
function writtenCache(cache: CachePolicy): Fields {
  const { credential: _ofService, ignoredCookies: _too, ...own } = cache;
  return own;
}

function writtenRoute({ name, match, process, cache, mirror, headers, ...rest }: Route): Fields {
  return {
    name,
    match,
    process: process && writtenProcess(process),
    cache: cache && {
      ...writtenCache(cache),
      negativeTtlMs: Object.fromEntries(cache.negativeTtlMs),
      tags: cache.tags ? "header" : "none",
    },
    mirror: mirror && writtenMirror(mirror),
    headers: {
      request: { set: Object.fromEntries(headers.request) },
      response: { set: Object.fromEntries(headers.response) },
    },
    ...rest,
  };
}

function writtenProcess({
  identity,
  key,
  callback,
  pollLocation,
  resultTtlMs,
  resultTtlByClass,
  failedWhen,
  ...rest
}: ProcessPolicy): Fields {
  const { inject, accept, correlate } = callback;
  return {
    identity,
    ...(identity === "key" ? { key } : {}),
    ...rest,
    resultTtlMs:
      Object.keys(resultTtlByClass).length === 0 ? resultTtlMs : { "2xx": resultTtlMs, ...resultTtlByClass },
    failedWhen: failedWhen && { ...failedWhen, pointer: textOf(failedWhen.pointer) },
    callback: {
      inject: { ...inject, json: textOf(inject.json) },
      accept: accept && {
        ...accept,
        status: textOf(accept.status),
        result: textOf(accept.result),
        error: textOf(accept.error),
        jobId: pairOf(accept.jobId),
      },
      correlate: pairOf(correlate),
    },
    pollLocation: pollLocation ?? false,
  };
}

function writtenMirror({ rate, orderKey, compare, ...rest }: MirrorPolicy): Fields {
  return {
    ...rest,
    ...(rest.mode === "dual-write" ? {} : { rate }),
    orderKey: orderKey !== null && "json" in orderKey ? { json: textOf(orderKey.json) } : orderKey,
    compare: {
      ...compare,
      ignore: compare.ignore.map(textOf),
      rules: compare.rules.map((rule) => ({
        ...rule,
        at: textOf(rule.at),
        ...("by" in rule ? { by: textOf(rule.by) } : {}),
      })),
    },
  };
}

/** RFC 6901 section 3. */
function textOf(pointer: Pointer | null): string | null {
  if (pointer === null) return null;
  return formatPointer(pointer);
}

function pairOf(pair: { readonly response: Pointer; readonly callback: Pointer } | null): Fields | null {
  return pair && { response: textOf(pair.response), callback: textOf(pair.callback) };
}
