/** Shows what the cache has stored for a URL, and why it did not store the last response. */
import {
  currentAgeMs,
  keysOfUri,
  remainingMs,
  resourceOfUrl,
  selectorTags,
  type CacheStore,
  type KeyView,
} from "@sticky-proxy/core/cache";
import type { CachePorts } from "./ports.ts";

export interface VariantView {
  readonly varyNames: readonly string[];
  readonly status: number;
  readonly bytes: number;
  readonly ageMs: number;
  /** Negative: stale. */
  readonly ttlMs: number;
  readonly lifetimeFrom: string;
  readonly isStale: boolean;
  readonly tags: readonly string[];
  readonly generation: number;
  readonly storedAt: number;
}

export interface UrlView {
  readonly url: string;
  readonly key: string;
  readonly service: string;
  readonly variants: readonly VariantView[];
  readonly hits: number;
  /** Why the last response was not stored, while that is remembered; null: not known. */
  readonly notStored: string | null;
}

/**
 * Every key that the URL may be stored under and of which the cache knows something; null: no service has that URL.
 * @throws CacheUnavailable
 */
export async function showUrl(
  { store, services }: CachePorts,
  url: string,
): Promise<readonly UrlView[] | null> {
  const resource = resourceOfUrl(services, url);
  if (resource === null) return null;
  const { service } = resource;
  const keys = keysOfUri(service, resource, resource.at);
  const views = await Promise.all(keys.map((key) => showKey(store, { url, key, service: service.name })));
  return views.filter((view) => view !== null);
}

async function showKey(
  store: CacheStore,
  of: Pick<UrlView, "url" | "key" | "service">,
): Promise<UrlView | null> {
  const found = await store.inspect(of.key);
  if (found === null) return null;
  const variants = found.variants.map((variant) => variantView(variant, found.now));
  return { ...of, variants, hits: found.hits, notStored: found.notStored };
}

function variantView({ metadata, softPurgedAt }: KeyView["variants"][number], now: number): VariantView {
  const ttlMs = remainingMs(metadata, softPurgedAt, now);
  return {
    varyNames: metadata.varyNames,
    status: metadata.status,
    bytes: metadata.bodyBytes,
    ageMs: currentAgeMs(metadata, now),
    ttlMs,
    lifetimeFrom: metadata.lifetimeFrom,
    isStale: ttlMs <= 0,
    tags: selectorTags(metadata.selectors),
    generation: metadata.generation,
    storedAt: metadata.responseAt,
  };
}
