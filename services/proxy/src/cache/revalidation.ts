/** What a 304 to a validation makes of the stored response (RFC 9111 4.3.4). */
import type { Committed, FetchLease, StoredMetadata } from "@sticky-proxy/core/cache";
import type { HeaderList } from "@sticky-proxy/core/http";
import type { CacheDeps } from "./cache-deps.ts";
import type { CachedRequest } from "./cached-request.ts";
import type { Exchanged } from "./exchange.ts";
import { commit, drop } from "./store-response.ts";

export type Revalidated = Extract<Exchanged, { kind: "revalidated" }>;

/** Fields of the 304 that must not be shared with other requests. */
export function ownFields({ response }: Revalidated, { headers }: StoredMetadata): HeaderList {
  const shared = new Set(["age", "content-length", ...headers.map(([name]) => name.toLowerCase())]);
  return response.headers.filter(([name]) => !shared.has(name.toLowerCase()));
}

/** The stored response with the fields of the 304; when it must not be stored, it serves this request only. */
export function revalidatedMetadata({ stored, response, judgement }: Revalidated): StoredMetadata {
  const { bodyId, bodyBytes } = stored;
  if (judgement.storable) return { ...judgement.metadata, bodyId, bodyBytes };
  const headers = response.headers.filter(([name]) => name.toLowerCase() !== "age");
  return { ...stored, headers, lifetimeMs: 0 };
}

/** Updates the stored response; a 304 that prohibits storing drops it. */
export async function storeRevalidated(
  deps: CacheDeps,
  request: CachedRequest,
  exchanged: Revalidated,
  { lease, mayStore }: { readonly lease: FetchLease; readonly mayStore: boolean },
): Promise<Committed | "failed"> {
  if (!mayStore) return "failed";
  if (!exchanged.judgement.storable) {
    // The 304 withdraws the permission to store.
    await drop(deps, request);
    return "purged";
  }
  const { stored } = exchanged;
  const { maxVariants } = request.policy;
  return commit(deps, { lease, metadata: revalidatedMetadata(exchanged), replaces: stored, maxVariants });
}
