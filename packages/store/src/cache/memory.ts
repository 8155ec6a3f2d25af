/** The server's memory, as far as a cache may use it: it stops storing before other data is refused. */
import { parseInfo } from "../cluster/info.ts";
import type { Connection } from "../redis/redis.ts";

/**
 * Bytes that a cache may still write until the server has used `share` of its maxmemory; negative: that many too many.
 * Infinity: the server has no bound, makes room by itself, or does not say.
 */
export async function memoryRoom(connection: Connection, share: number): Promise<number> {
  const info = parseInfo(await connection.info("memory").catch(() => ""));
  const max = Number(info.get("maxmemory") ?? 0);
  const isBounded = max > 0 && info.get("maxmemory_policy") === "noeviction";
  return isBounded ? share * max - Number(info.get("used_memory") ?? 0) : Infinity;
}
