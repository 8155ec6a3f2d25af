/** Bytes in the cache's store that no entry names: of bodies that are written, and of dropped ones that are still read. */
import { maxFetchMs } from "@sticky-proxy/core/cache";
import type { Clock } from "@sticky-proxy/protocol";
import { serverTime, type Connection } from "../redis/redis.ts";

export interface LooseCounts {
  /** The body has so many bytes more; negative: fewer. */
  grow(bodyId: string, bytes: number): void;
  /** The body is no longer loose. @returns its bytes */
  end(bodyId: string): number;
  /** Bytes that go by themselves after `ms`. */
  retire(bytes: number, ms: number): void;
  /** Of this node, now. */
  bytes(): number;
  /** Tells the others this node's bytes. @returns those of the others, as they told last */
  exchange(connection: Connection, key: string, node: string, own: number): Promise<number>;
}

export function looseCounts({ monotonic }: Pick<Clock, "monotonic">): LooseCounts {
  const open = new Map<string, number>();
  /** Bytes by the second after which they are gone. */
  const retired = new Map<number, number>();

  function bytes(): number {
    const now = monotonic() / 1000;
    let sum = 0;
    for (const size of open.values()) sum += size;
    for (const [second, size] of retired) {
      if (second <= now) retired.delete(second);
      else sum += size;
    }
    return sum;
  }

  return {
    grow: (bodyId, more) => void open.set(bodyId, (open.get(bodyId) ?? 0) + more),
    end(bodyId) {
      const size = open.get(bodyId) ?? 0;
      open.delete(bodyId);
      return size;
    },
    retire(size, ms) {
      const second = Math.ceil((monotonic() + ms) / 1000);
      retired.set(second, (retired.get(second) ?? 0) + size);
    },
    bytes,
    async exchange(connection, key, node, own) {
      const now = await serverTime(connection);
      // Whatever this node wrote is gone by then, also when it dies: each chunk has a TTL.
      const told = `${Math.ceil(own)} ${now + maxFetchMs}`;
      const [, , all] = await Promise.all([
        connection.hset(key, node, told),
        connection.pexpire(key, maxFetchMs),
        connection.hgetall(key),
      ]);
      let sum = 0;
      const past: string[] = [];
      for (const [other, line] of Object.entries(all)) {
        const [size = "0", until = "0"] = line.split(" ");
        if (Number(until) <= now) past.push(other);
        else if (other !== node) sum += Number(size);
      }
      if (past.length > 0) await connection.hdel(key, ...past);
      return sum;
    },
  };
}
