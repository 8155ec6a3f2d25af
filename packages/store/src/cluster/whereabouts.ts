/** Asks a replica that has left its primary what it is now. */
import { Redis } from "ioredis";
import { connectionOptions, peerCredentials, type RedisTarget } from "../redis/redis.ts";
import type { Whereabouts } from "./attached.ts";

const askMs = 300;

/** `address`: "host:port" as its primary knows it. Never rejects. */
export async function whereaboutsOf(target: RedisTarget, address: string): Promise<Whereabouts> {
  const at = address.lastIndexOf(":");
  const replica = new Redis({
    ...connectionOptions(askMs),
    ...peerCredentials(target),
    host: address.slice(0, at),
    port: Number(address.slice(at + 1)),
    connectTimeout: askMs,
    enableReadyCheck: false,
    retryStrategy: () => null,
  });
  let refused = false;
  replica.on("error", (error: Error & { code?: string }) => (refused ||= error.code === "ECONNREFUSED"));
  try {
    await replica.connect();
    const [role, , , link] = (await replica.role()) as [string, ...unknown[]];
    if (role === "master") return "primary";
    return link === "connected" || link === "sync" ? "elsewhere" : "waiting";
  } catch {
    return refused ? "gone" : "silent";
  } finally {
    replica.disconnect();
  }
}
