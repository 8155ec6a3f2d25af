import { MemoryCacheStore } from "@sticky-proxy/core/testing";
import { connectRedis, createRedisCacheStore } from "@sticky-proxy/store/testing";
import { cacheStoreContract, describeWithRedis, sharedRedisUrl, uniquePrefix } from "@sticky-proxy/testkit";

cacheStoreContract("the memory store", async () => {
  const store = new MemoryCacheStore(Date.now);
  return { stores: [store, store], close: async () => {} };
});

describeWithRedis("over Redis", () => {
  cacheStoreContract("the Redis store", async () => {
    const url = await sharedRedisUrl();
    const options = { keyPrefix: uniquePrefix(), partitions: 4, silenceMs: 5000, firstSilenceMs: 5000 };
    const connections = [connectRedis({ url }), connectRedis({ url })] as const;
    for (const one of connections) await one.ready(5000);
    return {
      stores: [
        createRedisCacheStore(connections[0], options),
        createRedisCacheStore(connections[1], options),
      ],
      close: async () => {
        for (const one of connections) await one.close();
      },
    };
  });
});
