/** What is stored under one key, variant by variant, for operators. */
import type { CacheStore, StoredMetadata } from "@sticky-proxy/core/cache";
import type { CacheIo } from "./io.ts";
import { readEntry } from "./lookup.ts";

/** null: nothing. @throws CacheUnavailable */
export function createInspect(io: CacheIo): CacheStore["inspect"] {
  const { reads, keys, guard } = io;
  return async function inspect(key) {
    const { index, now, unshareable } = await readEntry(io, key, "");
    const variants: { metadata: StoredMetadata; softPurgedAt: number | null }[] = [];
    for (const line of index) {
      const { metadata, softPurgedAt } = await readEntry(io, key, line.i);
      if (metadata !== null && line.u > now) variants.push({ metadata, softPurgedAt });
    }
    if (variants.length === 0 && unshareable === null) return null;
    const hits = await guard.run(() => reads.zscore(keys.hits(keys.partitionOf(key)), key));
    return { now, variants, hits: Number(hits ?? 0), notStored: unshareable };
  };
}
