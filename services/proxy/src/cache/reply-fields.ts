/** The fields that tell the client what the cache did (RFC 9211, and the short forms of API.md). */
import { formatCacheStatus, type CacheResult, type CacheStatus } from "@sticky-proxy/core/cache";
import type { HeaderLine } from "@sticky-proxy/core/http";
import { fields, type Source } from "@sticky-proxy/protocol";
import type { Reply } from "../reply.ts";

export interface Told extends Partial<CacheStatus> {
  readonly result: CacheResult;
  readonly source: Source;
}

const replaced: ReadonlySet<string> = new Set(["x-cache", "sticky-source"]);

/**
 * Cache-Status is appended to what caches behind us said; the others are ours alone. A response that the gateway made
 * itself has none (RFC 9211 2).
 */
export function withCacheFields(reply: Reply, told: Told): Reply {
  const status: CacheStatus = {
    hit: told.hit ?? false,
    ttlMs: told.ttlMs ?? null,
    fwd: told.fwd ?? null,
    fwdStatus: told.fwdStatus ?? null,
    stored: told.stored ?? false,
    collapsed: told.collapsed ?? false,
    detail: told.detail ?? null,
    key: told.key ?? null,
  };
  const own: HeaderLine[] = [
    ...(told.source === "gateway" ? [] : [[fields.cacheStatus, formatCacheStatus(status)] as const]),
    [fields.xCache, told.result],
    [fields.stickySource, told.source],
  ];
  const kept = reply.headers.filter(([name]) => !replaced.has(name.toLowerCase()));
  return { ...reply, headers: [...kept, ...own] };
}
