/** The state Redis as the store's connections take it. */
import type { RedisConfig } from "./config.ts";

interface Access {
  readonly nodes: readonly string[];
  readonly username?: string;
  readonly password?: string;
  readonly tls: boolean;
}

/** One of the three is there; nodes are "host:port". */
export interface RedisTarget {
  readonly url?: string;
  readonly sentinels?: Access & {
    readonly name: string;
    readonly sentinelPassword?: string;
    readonly db: number;
  };
  readonly cluster?: Access;
}

export function redisTarget(redis: RedisConfig): RedisTarget {
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
    const { master, nodes, username, password, sentinelPassword, db, tls } = redis.sentinels;
    return {
      sentinels: {
        name: master,
        nodes: nodes.map(place),
        ...(username === null ? {} : { username }),
        ...(password === null ? {} : { password }),
        ...(sentinelPassword === null ? {} : { sentinelPassword }),
        db,
        tls,
      },
    };
  }
  return { url: redis.url ?? "redis://127.0.0.1:6379" };
}
