/** Sessions of the panel: one string each, forgotten by itself. */
import type { Session, Sessions } from "@sticky-proxy/core/operators";
import type { Keys } from "../keys.ts";
import type { RedisConnections } from "../redis/redis.ts";
import { unavailable } from "../redis/unavailable.ts";

export function createSessions({
  redis: { reads, writes },
  keys,
}: {
  readonly redis: RedisConnections;
  readonly keys: Keys;
}): Sessions {
  const keyOf = (id: string): string => keys.meta(`admin-session:${id}`);
  const guarded = async <T>(what: string, work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (cause) {
      throw unavailable(what, cause);
    }
  };
  return {
    async put(key, session, ttlMs) {
      await guarded("put-session", writes.set(keyOf(key), JSON.stringify(session), "PX", Math.ceil(ttlMs)));
    },
    async get(key) {
      const text = await guarded("session", reads.get(keyOf(key)));
      return text === null ? null : (JSON.parse(text) as Session);
    },
    async remove(key) {
      await guarded("remove-session", writes.del(keyOf(key)));
    },
  };
}
