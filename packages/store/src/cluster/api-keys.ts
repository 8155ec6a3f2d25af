/**
 * API keys at rest: one hash, digest of the key → what is known of it, and a number that rises with every change, so
 * that nodes read the hash only when it has changed.
 */
import type { ApiKey } from "@sticky-proxy/core/principal";
import type { Keys } from "../keys.ts";
import type { RedisConnections } from "../redis/redis.ts";
import { unavailable } from "../redis/unavailable.ts";

export interface ApiKeyStore {
  /** Rises with every change; 0: there has never been a key. @throws StoreUnavailable */
  version(): Promise<number>;
  /** By the digest of the key. @throws StoreUnavailable */
  all(): Promise<ReadonlyMap<string, ApiKey>>;
  /** @throws StoreUnavailable */
  add(digest: string, key: ApiKey): Promise<void>;
  /** The key's own fact; null: there is no key of that id. @throws StoreUnavailable */
  remove(id: string): Promise<ApiKey | null>;
}

export function createApiKeyStore({
  redis: { reads, writes },
  keys,
}: {
  readonly redis: RedisConnections;
  readonly keys: Keys;
}): ApiKeyStore {
  const [hash, counter] = [keys.meta("api-keys"), keys.meta("api-keys-version")];

  async function guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw unavailable(what, cause);
    }
  }
  async function all(): Promise<Map<string, ApiKey>> {
    const texts = await reads.hgetall(hash);
    return new Map(Object.entries(texts).map(([digest, text]) => [digest, JSON.parse(text) as ApiKey]));
  }
  return {
    version: () => guarded("api-keys-version", async () => Number((await reads.get(counter)) ?? 0)),
    all: () => guarded("api-keys", all),
    add: (digest, key) =>
      guarded("api-keys-add", async () => {
        // The number rises last: whoever sees it finds the change.
        await writes.multi().hset(hash, digest, JSON.stringify(key)).incr(counter).exec();
      }),
    remove: (id) =>
      guarded("api-keys-remove", async () => {
        const found = [...(await all())].find(([, key]) => key.id === id);
        if (found === undefined) return null;
        await writes.multi().hdel(hash, found[0]).incr(counter).exec();
        return found[1];
      }),
  };
}
