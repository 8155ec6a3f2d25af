/** The keys that are used most, and how much the cache holds. */
import type { CacheStore, TopKey } from "@sticky-proxy/core/cache";

export interface TopKeys {
  /** Most used first. */
  readonly keys: readonly TopKey[];
  /** Of the whole cache. */
  readonly totalBytes: number;
}

/** @throws CacheUnavailable */
export async function topKeys(
  { store }: { readonly store: Pick<CacheStore, "top" | "totalBytes"> },
  count: number,
): Promise<TopKeys> {
  const [keys, totalBytes] = await Promise.all([store.top(count), store.totalBytes()]);
  return { keys, totalBytes };
}
