/** Wires the cache of a proxy node from its store, metrics and log. */
import { randomBytes } from "node:crypto";
import { createInvalidation } from "@sticky-proxy/engine";
import type { CacheStore } from "@sticky-proxy/core/cache";
import { monotonic, sleep, type Config, type Logger, type Metrics } from "@sticky-proxy/runtime";
import type { Forwarder } from "@sticky-proxy/upstream";
import type { CacheParts } from "../deps.ts";
import type { CacheDeps, CacheObserver } from "./cache-deps.ts";
import { createPurgeAccess, type PurgeAccess } from "./purge-access.ts";

/** Every request fails while the store is unreachable; log at most one line in this time. */
const logEveryMs = 5000;

export interface CachePartsOptions {
  readonly config: Config;
  readonly store: CacheStore;
  readonly forwarder: Forwarder;
  readonly metrics: Metrics;
  readonly log: Logger;
}

export function createCacheParts({ config, store, forwarder, metrics, log }: CachePartsOptions): CacheParts {
  let loggedAt = -Infinity;
  const observe: CacheObserver = {
    result: (of, result) => metrics.cacheRequests.inc({ ...of, result }),
    collapsed: (of) => metrics.cacheCollapsed.inc(of),
    storeError(operation, error) {
      metrics.cacheStoreErrors.inc({ operation });
      const now = monotonic();
      if (now - loggedAt < logEveryMs) return;
      loggedAt = now;
      log.warn("cache.store-error", { operation, err: error });
    },
    purged: (kind) => metrics.cachePurges.inc({ kind }),
    purgeRefused: () => metrics.authFailures.inc({ action: "purge" }),
  };
  const deps: CacheDeps = {
    store,
    forwarder,
    publicOrigins: publicOrigin(config.publicUrl),
    purge: purgeAccess(config.cache),
    log,
    observe,
    newToken: () => randomBytes(12).toString("base64url"),
    monotonic,
    sleep,
  };
  const { publicOrigins } = deps;
  return { ...deps, invalidation: createInvalidation({ store, publicOrigins, onError: observe.storeError }) };
}

function purgeAccess({ purgeToken, purgeTokens, purgesPerSecond }: Config["cache"]): PurgeAccess | null {
  const whole = purgeToken === null ? [] : [{ token: purgeToken, services: [], peers: [] }];
  const tokens = [...whole, ...purgeTokens];
  return tokens.length === 0 ? null : createPurgeAccess({ tokens, perSecond: purgesPerSecond, monotonic });
}

function publicOrigin(publicUrl: string | null): string[] {
  const url = publicUrl === null ? null : URL.parse(publicUrl);
  return url === null ? [] : [url.origin.toLowerCase()];
}
