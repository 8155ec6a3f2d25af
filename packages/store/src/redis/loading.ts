/** A server that has just been started loads its data first: it takes connections, and answers commands with LOADING. */
import { Redis, type RedisOptions } from "ioredis";
import { connectionOptions, hostAndPort, peerCredentials, type RedisTarget } from "./redis.ts";

/** Whether the server is there and loads its data: it answers nothing else then. Never rejects. */
export async function isLoading(target: RedisTarget): Promise<boolean> {
  const askMs = 1000;
  const options: RedisOptions = {
    ...connectionOptions(askMs),
    enableReadyCheck: false,
    retryStrategy: () => null,
  };
  if (target.cluster !== undefined) return false; // its nodes are asked by their own connections
  const asked =
    target.sentinels === undefined
      ? new Redis(target.url!.replace(/^unix:\/\//, ""), options)
      : new Redis({
          ...options,
          ...peerCredentials(target),
          name: target.sentinels.name,
          sentinels: target.sentinels.nodes.map(hostAndPort),
          ...(target.sentinels.sentinelPassword === undefined
            ? {}
            : { sentinelPassword: target.sentinels.sentinelPassword }),
        });
  asked.on("error", () => undefined);
  try {
    await asked.connect();
    await asked.ping();
    return false;
  } catch (error) {
    return error instanceof Error && error.message.startsWith("LOADING");
  } finally {
    asked.disconnect();
  }
}
