/** Takes responses out of the cache, or marks them stale, by what selects them. */
import {
  keysOfUri,
  resourceOfUrl,
  selectorOf,
  type CacheStore,
  type PurgeTarget,
} from "@sticky-proxy/core/cache";
import type { CachePorts } from "./ports.ts";

/** A URL is one key with all its variants; a prefix may be given as a public URL or path too. */
export type PurgeRequest =
  | PurgeTarget
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "url-prefix"; readonly url: string };

export type PurgeOutcome =
  /**
   * `held`: whether something was stored for the URL, as far as could be read; null: not counted for other requests.
   * `removed`: keys that held something; null: as above.
   */
  | {
      readonly outcome: "purged";
      readonly soft: boolean;
      readonly held: boolean | null;
      readonly removed: number | null;
    }
  /** Some partitions did not acknowledge: the purge must be repeated. */
  | { readonly outcome: "incomplete"; readonly missing: readonly number[] }
  /** No service has the URL, or its path is not valid. */
  | { readonly outcome: "unknown-url" };

/**
 * @param soft stale from now on, and kept for validation
 * @throws CacheUnavailable when a URL's key could not be dropped; then the purge must be repeated
 */
export async function purgeCache(
  { store, services }: CachePorts,
  request: PurgeRequest,
  soft: boolean,
): Promise<PurgeOutcome> {
  if (request.kind !== "url" && request.kind !== "url-prefix") return purgeTarget(store, request, soft);
  const resource = resourceOfUrl(services, request.url);
  if (resource === null) {
    if (request.kind === "url-prefix") return { outcome: "unknown-url" };
    const stored = await purgeStored(store, request.url, soft, new Set());
    return stored === 0
      ? { outcome: "unknown-url" }
      : { outcome: "purged", soft, held: true, removed: stored };
  }
  if (request.kind === "url-prefix") {
    const { service, path } = resource;
    return purgeTarget(store, { kind: "prefix", service: service.name, path }, soft);
  }
  const keys = keysOfUri(resource.service, resource, resource.at);
  const held = await Promise.all(keys.map((key) => store.inspect(key).catch(() => null)));
  await Promise.all(keys.map((key) => store.drop(key, soft)));
  // The keys of proved principals are not known here; what they have stored is found by its path.
  if (resource.service.authentication !== "off") {
    const { service, path } = resource;
    return purgeTarget(store, { kind: "prefix", service: service.name, path }, soft);
  }
  const found = held.filter((view) => (view?.variants.length ?? 0) > 0).length;
  // What another configuration has stored for the URL stands under keys that this one does not compute.
  const others = found > 0 ? 0 : await purgeStored(store, request.url, soft, new Set(keys));
  const removed = found + others;
  return { outcome: "purged", soft, held: removed > 0, removed };
}

/** By what is stored, whoever stored it. @returns how many keys */
async function purgeStored(
  store: CacheStore,
  url: string,
  soft: boolean,
  done: ReadonlySet<string>,
): Promise<number> {
  const keys = (await store.keysOfUrl(url)).filter((key) => !done.has(key));
  await Promise.all(keys.map((key) => store.drop(key, soft)));
  return keys.length;
}

async function purgeTarget(store: CacheStore, target: PurgeTarget, soft: boolean): Promise<PurgeOutcome> {
  const selector = selectorOf(target);
  if (selector === null) return { outcome: "purged", soft, held: null, removed: null };
  const { missing } = await store.purge(selector, soft);
  return missing.length === 0
    ? { outcome: "purged", soft, held: null, removed: null }
    : { outcome: "incomplete", missing };
}
