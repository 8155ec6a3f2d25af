/** The share of the server's memory that the cache may use: it stops storing before Redis is full. */
import type { Clock } from "@sticky-proxy/protocol";
import type { Connection } from "../redis/redis.ts";

export interface MemoryLimit {
  /** true: the server has used 80 % of its maxmemory, so nothing more is stored. */
  isFull(): Promise<boolean>;
  /**
   * Reserves bytes of the rest of those 80 %; false: not enough. Decided by the last known value, because a commit is
   * sent directly after its bytes; an old value is refreshed in the background.
   */
  reserve(bytes: number): boolean;
}

const memoryCheckMs = 1000;
const fullShare = 0.8;

export function createMemoryLimit(
  connection: Connection,
  { monotonic }: Pick<Clock, "monotonic">,
): MemoryLimit {
  let checkedAt = -Infinity;
  let checking: Promise<void> = Promise.resolve();
  /** Bytes left for the cache at the last check, less what this node has written since. */
  let room = Infinity;

  async function checkMemory(): Promise<void> {
    const info = await connection.info("memory").catch(() => "");
    const figure = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
    const max = figure("maxmemory");
    // With an eviction policy of its own the server makes room by itself.
    const isBounded = max > 0 && /^maxmemory_policy:noeviction/m.test(info);
    room = isBounded ? fullShare * max - figure("used_memory") : Infinity;
  }

  /** Never rejects. */
  function checkIfOld(): Promise<void> {
    if (monotonic() - checkedAt > memoryCheckMs) {
      checkedAt = monotonic();
      checking = checkMemory();
    }
    return checking;
  }

  return {
    async isFull() {
      await checkIfOld();
      return room < 0;
    },
    reserve(bytes) {
      void checkIfOld();
      room -= bytes;
      return room >= 0;
    },
  };
}
