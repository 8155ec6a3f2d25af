import { setTimeout as delay } from "node:timers/promises";
import { createMemoryStore } from "@sticky-proxy/core/testing";
import { openStore } from "@sticky-proxy/store";
import { connectRedis, createChanges, createKeys, createProcessStore } from "@sticky-proxy/store/testing";
import { describeWithRedis, processStoreContract, sharedRedisUrl, uniquePrefix } from "@sticky-proxy/testkit";
import { startRedisCluster } from "../support/redis-cluster.ts";

processStoreContract("memory", async () => {
  let now = 1_790_000_000_000;
  const store = createMemoryStore({ now: () => now });
  return {
    store,
    changes: store,
    async pass(ms) {
      now += ms;
    },
    async close() {},
  };
});

describeWithRedis("Redis", () => {
  processStoreContract("Redis", async () => {
    const redis = connectRedis({ url: await sharedRedisUrl() });
    await redis.ready(5000);
    const keys = createKeys(uniquePrefix());
    const partitions = 8;
    return {
      store: createProcessStore({ redis, keys, partitions }),
      changes: createChanges({ subscriber: redis.subscriber, keys, partitions }),
      pass: (ms) => delay(ms),
      close: () => redis.close(),
    };
  });

  processStoreContract("Redis, sealed", async () => {
    const open = await openStore({
      target: { url: await sharedRedisUrl() },
      keyPrefix: uniquePrefix(),
      partitions: 8,
      timelineLength: 100,
      waitMs: 30_000,
      onError: () => undefined,
      encryption: { keys: [{ id: "k1", secret: Buffer.alloc(32, 1).toString("base64") }], write: true },
    });
    return {
      store: open.processes,
      changes: open.changes,
      pass: (ms) => delay(ms),
      close: () => open.close(),
    };
  });

  processStoreContract("Redis Cluster, three primaries", async () => {
    const cluster = await startRedisCluster(3);
    const redis = connectRedis({ cluster: { nodes: cluster.nodes } });
    if (!(await redis.ready(5000))) throw new Error("no connection to the cluster");
    const keys = createKeys(uniquePrefix());
    const partitions = 8;
    return {
      store: createProcessStore({ redis, keys, partitions }),
      changes: createChanges({ subscriber: redis.subscriber, keys, partitions }),
      pass: (ms) => delay(ms),
      async close() {
        await redis.close();
        await cluster.stop();
      },
    };
  });
});
