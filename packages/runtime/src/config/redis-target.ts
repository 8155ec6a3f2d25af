/** The state Redis as the store's connections take it. */
import type { RedisConfig } from "./config.ts";

export function redisTarget(redis: RedisConfig) {
  const place = ({ host, port }: { host: string; port: number }): string => `${host}:${port}`;
  if (redis.cluster !== null) {
    const { nodes, username, password, tls } = redis.cluster;
    return {
      cluster: {
        nodes: nodes.map(place),
        ...(username === null ? {} : { username }),
        ...(password === null ? {} : { password }),
        tls,
      },
    };
  }
  if (redis.sentinels !== null) {
    const { master, nodes, username, password, sentinelPassword, tls } = redis.sentinels;
    return {
      sentinels: {
        name: master,
        nodes: nodes.map(place),
        ...(username === null ? {} : { username }),
        ...(password === null ? {} : { password }),
        ...(sentinelPassword === null ? {} : { sentinelPassword }),
        tls,
      },
    };
  }
  return { url: redis.url ?? "redis://127.0.0.1:6379" };
}
