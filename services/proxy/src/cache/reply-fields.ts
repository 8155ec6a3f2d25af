/** The response fields that say how the cache handled the request: Cache-Status (RFC 9211), X-Cache, Sticky-Source. */
import { formatCacheStatus, type CacheStatus } from "@sticky-proxy/core/cache";
import type { HeaderLine } from "@sticky-proxy/core/http";
import { fields } from "@sticky-proxy/protocol";
import type { Reply } from "../reply.ts";
import type { CacheHandling } from "./outcome.ts";

const replaced: ReadonlySet<string> = new Set(["x-cache", "sticky-source"]);

/**
 * Cache-Status is appended to the members of caches nearer the service; X-Cache and Sticky-Source are replaced. A
 * response that the gateway generated has no Cache-Status (RFC 9211 2).
 */
export function withCacheFields(reply: Reply, handling: CacheHandling): Reply {
  const status: CacheStatus = {
    hit: handling.hit ?? false,
    ttlMs: handling.ttlMs ?? null,
    fwd: handling.fwd ?? null,
    fwdStatus: handling.fwdStatus ?? null,
    stored: handling.stored ?? false,
    collapsed: handling.collapsed ?? false,
    detail: handling.detail ?? null,
    key: handling.key ?? null,
  };
  const own: HeaderLine[] = [
    ...(handling.source === "gateway" ? [] : [[fields.cacheStatus, formatCacheStatus(status)] as const]),
    [fields.xCache, handling.result],
    [fields.stickySource, handling.source],
  ];
  const kept = reply.headers.filter(([name]) => !replaced.has(name.toLowerCase()));
  return { ...reply, headers: [...kept, ...own] };
}
