/** The cache policy of a route that only says `cache:`, and of the quick form `--cache`. */
import { usualIgnoredCookies } from "../principal/ignored-cookies.ts";
import type { CachePolicy } from "../registry/service.ts";

export function defaultCachePolicy(profile: CachePolicy["profile"] = "safe"): CachePolicy {
  return {
    profile,
    defaultTtlMs: null,
    maxTtlMs: null,
    negativeTtlMs: new Map(),
    staleWhileRevalidateMs: null,
    staleIfErrorMs: null,
    maxObjectBytes: 8 * 1024 * 1024,
    maxVariants: 64,
    query: { sort: false, allow: null, deny: [] },
    keyHeaders: [],
    keyCookies: [],
    forwardHeaders: "end-to-end",
    credential: ["authorization", "cookie"],
    ignoredCookies: usualIgnoredCookies,
    tags: true,
    bypass: { authorization: false, cookies: [] },
    ttlJitter: 0,
    collapseCredentials: false,
    clientReload: "obey",
    failedWhen: null,
    cacheStatusKey: false,
  };
}
