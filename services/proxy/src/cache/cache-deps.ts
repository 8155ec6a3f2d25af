/** The dependencies of the cache on the data plane. */
import type { CacheResult, CacheStore } from "@sticky-proxy/core/cache";
import type { Forwarder } from "@sticky-proxy/upstream";
import type { PurgeAccess } from "./purge-access.ts";
import type { Logger } from "@sticky-proxy/runtime";

/** Names from the configuration. */
interface CachedRoute {
  readonly service: string;
  readonly route: string;
}

/** Metrics of the cache; every argument but `error` is one of a closed set of label values. */
export interface CacheObserver {
  result(of: CachedRoute, result: CacheResult): void;
  collapsed(of: CachedRoute): void;
  /** A store operation failed, and the request went on without the cache. */
  readonly storeError: (operation: "lookup" | "store" | "drop" | "purge", error: unknown) => void;
  purged(kind: "key" | "tag"): void;
  purgeRefused(): void;
}

export interface CacheDeps {
  readonly store: CacheStore;
  readonly forwarder: Forwarder;
  /** scheme://authority, lower-case, under which clients reach the gateway. */
  readonly publicOrigins: readonly string[];
  /** Who may PURGE on the data plane; null: PURGE is off. */
  readonly purge: PurgeAccess | null;
  readonly log: Logger;
  readonly observe: CacheObserver;
  /** Random, unguessable. */
  readonly newToken: () => string;
  /** Monotonic ms. */
  readonly monotonic: () => number;
  /** Resolves after ms or when the signal aborts; never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}
