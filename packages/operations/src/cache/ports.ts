import type { CacheStore } from "@sticky-proxy/core/cache";
import type { Service } from "@sticky-proxy/core/registry";

/** What the verbs of the cache work on. */
export interface CachePorts {
  readonly store: CacheStore;
  /** The configured services: they say whose a URL is. */
  readonly services: readonly Service[];
}
