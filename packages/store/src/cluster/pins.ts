/** Rules that processes are pinned to, by digest: kept as long as somebody uses them, and forgotten by their TTL. */
import type { PinStore } from "@sticky-proxy/core/process";
import type { Keys } from "../keys.ts";
import type { RedisConnections } from "../redis/redis.ts";
import { unavailable } from "../redis/unavailable.ts";

export function createPinStore({
  redis,
  keys,
}: {
  readonly redis: Pick<RedisConnections, "writes" | "reads">;
  readonly keys: Keys;
}): PinStore {
  const { writes, reads } = redis;
  const textKey = (digest: string): string => keys.meta(`rules:${digest}`);
  const listKey = (service: string): string => keys.meta(`rules-of:${service}`);
  return {
    async keep(pins) {
      try {
        await Promise.all(
          pins.flatMap(({ digest, text, service, keepMs }) => [
            writes.set(textKey(digest), text, "PX", keepMs),
            writes.sadd(listKey(service), digest),
            // One connection keeps the order: the first time there is none yet, later on it never gets shorter.
            writes.pexpire(listKey(service), keepMs, "NX"),
            writes.pexpire(listKey(service), keepMs, "GT"),
          ]),
        );
      } catch (cause) {
        throw unavailable("keep-rules", cause);
      }
    },
    async read(digest) {
      try {
        return await reads.get(textKey(digest));
      } catch (cause) {
        throw unavailable("read-rules", cause);
      }
    },
    async ofService(service) {
      try {
        const digests = await reads.smembers(listKey(service));
        const texts = digests.length === 0 ? [] : await reads.mget(digests.map(textKey));
        return texts.filter((text) => text !== null);
      } catch (cause) {
        throw unavailable("read-rules", cause);
      }
    },
  };
}
