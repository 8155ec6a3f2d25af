/**
 * What operators do with the cache, the same for the admin API, the command line and PURGE:
 * purge (hard or soft, by what is selected), look up a URL, see the most used keys.
 */
import type { Service } from "@sticky-proxy/core/registry";
import {
  remainingMs,
  currentAgeMs,
  keysOfUri,
  resourceOfUrl,
  selectorOf,
  selectorTags,
  type PurgeTarget,
  type CacheStore,
  type TopKey,
} from "@sticky-proxy/core/cache";

/** A URL is one key with all its variants; a prefix may be given as a public URL or path too. */
export type PurgeRequest =
  | PurgeTarget
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "url-prefix"; readonly url: string };

export type PurgeOutcome =
  /** `held`: whether a URL had something stored, as far as could be seen; null: not counted for what selects more. */
  | { readonly outcome: "purged"; readonly soft: boolean; readonly held: boolean | null }
  /** Some partitions did not acknowledge: repeat it. */
  | { readonly outcome: "incomplete"; readonly missing: readonly number[] }
  /** The URL belongs to no service, or its path is none. */
  | { readonly outcome: "unknown-url" };

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

export interface CacheAdministration {
  /** @throws CacheUnavailable when a URL's key could not be dropped; then it must be repeated */
  purge(request: PurgeRequest, soft: boolean): Promise<PurgeOutcome>;
  /** Every key the URL may be stored under that holds something or tells why not; null: no service has that URL. */
  lookUp(url: string): Promise<readonly UrlView[] | null>;
  top(count: number): Promise<readonly TopKey[]>;
  totalBytes(): Promise<number>;
}

export interface CacheAdministrationDeps {
  readonly store: CacheStore;
  readonly services: () => readonly Service[];
}

export function createCacheAdministration({ store, services }: CacheAdministrationDeps): CacheAdministration {
  async function purge(request: PurgeRequest, soft: boolean): Promise<PurgeOutcome> {
    if (request.kind === "url") {
      const resource = resourceOfUrl(services(), request.url);
      if (resource === null) return { outcome: "unknown-url" };
      const keys = keysOfUri(resource.service, resource, resource.at);
      const held = await Promise.all(keys.map((key) => store.inspect(key).catch(() => null)));
      await Promise.all(keys.map((key) => store.drop(key, soft)));
      return { outcome: "purged", soft, held: held.some((view) => (view?.variants.length ?? 0) > 0) };
    }
    let target: PurgeTarget;
    if (request.kind === "url-prefix") {
      const resource = resourceOfUrl(services(), request.url);
      if (resource === null) return { outcome: "unknown-url" };
      target = { kind: "prefix", service: resource.service.name, path: resource.path };
    } else target = request;
    const selector = selectorOf(target);
    if (selector === null) return { outcome: "purged", soft, held: null };
    const { missing } = await store.purge(selector, soft);
    return missing.length === 0
      ? { outcome: "purged", soft, held: null }
      : { outcome: "incomplete", missing };
  }

  async function lookUp(url: string): Promise<readonly UrlView[] | null> {
    const resource = resourceOfUrl(services(), url);
    if (resource === null) return null;
    const keys = keysOfUri(resource.service, resource, resource.at);
    const views = await Promise.all(keys.map((key) => viewOf(url, key, resource.service.name)));
    return views.filter((view) => view !== null);
  }

  async function viewOf(url: string, key: string, service: string): Promise<UrlView | null> {
    const found = await store.inspect(key);
    if (found === null) return null;
    const variants = found.variants.map(({ metadata, softPurgedAt }): VariantView => {
      const ttlMs = remainingMs(metadata, softPurgedAt, found.now);
      return {
        varyNames: metadata.varyNames,
        status: metadata.status,
        bytes: metadata.bodyBytes,
        ageMs: currentAgeMs(metadata, found.now),
        ttlMs,
        lifetimeFrom: metadata.lifetimeFrom,
        isStale: ttlMs <= 0,
        tags: selectorTags(metadata.selectors),
        generation: metadata.generation,
        storedAt: metadata.responseAt,
      };
    });
    return { url, key, service, variants, hits: found.hits, notStored: found.notStored };
  }

  return { purge, lookUp, top: (count) => store.top(count), totalBytes: () => store.totalBytes() };
}
