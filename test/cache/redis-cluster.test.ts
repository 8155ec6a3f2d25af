import { connectRedis, createRedisCacheStore } from "@sticky-proxy/store/testing";
import {
  cacheStoreContract,
  describeWithRedis,
  startRedis,
  uniquePrefix,
  type TestRedis,
} from "@sticky-proxy/testkit";
import { freePorts } from "../support/ports.ts";

const slots = 16_384;

/** Three masters that share the slots. */
async function startRedisCluster(): Promise<TestRedis[]> {
  const busPorts = await freePorts(3);
  const nodes = await Promise.all(
    busPorts.map((port) =>
      startRedis({
        args: ["--appendonly", "no", "--cluster-enabled", "yes", "--cluster-port", String(port)],
      }),
    ),
  );
  for (const [i, { url }] of nodes.entries()) {
    const redis = connectRedis({ url });
    await redis.ready(5000);
    const [from, to] = [i, i + 1].map((n) => Math.floor((n * slots) / nodes.length));
    await redis.writes.call("CLUSTER", "ADDSLOTSRANGE", from!, to! - 1);
    for (const [n, other] of nodes.entries()) {
      await redis.writes.call("CLUSTER", "MEET", "127.0.0.1", other.port, busPorts[n]!);
    }
    await redis.close();
  }
  for (const { url } of nodes) {
    const redis = connectRedis({ url });
    await redis.ready(5000);
    while (!String(await redis.writes.call("CLUSTER", "INFO")).includes("cluster_state:ok")) {
      await new Promise((resolve) => setTimeout(resolve, 50)); // the nodes agree in their own time
    }
    await redis.close();
  }
  return nodes;
}

describeWithRedis("over a Redis Cluster", function () {
  this.timeout(30_000);
  cacheStoreContract("the Redis store", async () => {
    const nodes = await startRedisCluster();
    const target = { cluster: { nodes: nodes.map(({ port }) => `127.0.0.1:${port}`) } };
    const options = { keyPrefix: uniquePrefix(), partitions: 16, silenceMs: 5000, firstSilenceMs: 5000 };
    const connections = [connectRedis(target), connectRedis(target)] as const;
    for (const one of connections) await one.ready(5000);
    return {
      stores: [
        createRedisCacheStore(connections[0], options),
        createRedisCacheStore(connections[1], options),
      ],
      close: async () => {
        for (const one of connections) await one.close();
        for (const node of nodes) await node.stop();
      },
    };
  });
});
