/**
 * Since when identities are made of what they are made of. A setting that puts the principal or the host into scopes moves
 * every one of them; until what the old ones hold has ended, requests are looked for under those too.
 */
import type { EpochMs } from "@sticky-proxy/protocol";
import type { Keys } from "../keys.ts";
import { type RedisConnections, serverTime } from "../redis/redis.ts";
import { unavailable } from "../redis/unavailable.ts";

export interface IdentitySwitches {
  /**
   * Notes that `part` enters the scopes of a service, or does not. @returns since when it does, store's clock; 0: from the
   * service's first process on; null: it does not. @throws StoreUnavailable
   */
  note(service: string, part: "principal" | "host", isOn: boolean): Promise<EpochMs | 0 | null>;
  /** The store's clock. @throws StoreUnavailable */
  now(): Promise<EpochMs>;
}

export function createIdentitySwitches({
  redis: { reads, writes },
  keys,
}: {
  readonly redis: RedisConnections;
  readonly keys: Keys;
}): IdentitySwitches {
  const hash = keys.meta("identity-switches");

  async function guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw unavailable(what, cause);
    }
  }
  return {
    note: (service, part, isOn) =>
      guarded("identity-switch", async () => {
        const field = `${part}:${service}`;
        if (!isOn) {
          await writes.hdel(hash, field);
          return null;
        }
        const [known, isUsed] = await Promise.all([
          reads.hget(hash, field),
          reads.sismember(keys.meta("services"), service),
        ]);
        if (known !== null) return Number(known) as EpochMs;
        const since = isUsed === 1 ? await serverTime(reads) : 0;
        await writes.hsetnx(hash, field, String(since));
        return since;
      }),
    now: () => guarded("time", () => serverTime(reads)),
  };
}
