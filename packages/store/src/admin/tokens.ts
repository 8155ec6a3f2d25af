/** Operators' tokens: one hash each, forgotten at its expiry, and the set of their ids. */
import { asEpochMs } from "@sticky-proxy/protocol";
import type { OperatorToken, OperatorTokens, Role } from "@sticky-proxy/core/operators";
import type { Keys } from "../keys.ts";
import { serverTime, type RedisConnections } from "../redis/redis.ts";
import { unavailable } from "../redis/unavailable.ts";

export function createOperatorTokens({
  redis: { reads, writes },
  keys,
}: {
  readonly redis: RedisConnections;
  readonly keys: Keys;
}): OperatorTokens {
  const ids = keys.meta("admin-tokens");
  const keyOf = (id: string): string => keys.meta(`admin-token:${id}`);

  async function get(id: string): Promise<OperatorToken | null> {
    const { name, role, createdAt, expiresAt, hash, once } = await reads.hgetall(keyOf(id));
    if (hash === undefined) return null;
    return {
      id,
      name: name ?? "",
      role: role as Role,
      createdAt: asEpochMs(Number(createdAt)),
      expiresAt: expiresAt === "" ? null : asEpochMs(Number(expiresAt)),
      hash,
      once: once === "1",
    };
  }
  const guarded = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      throw unavailable(what, cause);
    }
  };
  return {
    now: () => guarded("time", async () => asEpochMs(await serverTime(reads))),
    put: ({ id, once, expiresAt, ...token }) =>
      guarded("put-token", async () => {
        const key = keyOf(id);
        await writes.hset(key, { ...token, expiresAt: expiresAt ?? "", once: once ? "1" : "0" });
        if (expiresAt !== null) await writes.pexpireat(key, expiresAt);
        await writes.sadd(ids, id);
      }),
    get: (id) => guarded("token", () => get(id)),
    list: () =>
      guarded("tokens", async () => {
        const known = await reads.smembers(ids);
        const found = await Promise.all(known.map(get));
        const gone = known.filter((_, i) => found[i] === null); // expired by themselves
        if (gone.length > 0) await writes.srem(ids, ...gone);
        return found.filter((token) => token !== null).sort((a, b) => b.createdAt - a.createdAt);
      }),
    remove: (id) =>
      guarded("remove-token", async () => {
        const removed = await writes.del(keyOf(id));
        await writes.srem(ids, id);
        return removed > 0;
      }),
  };
}
