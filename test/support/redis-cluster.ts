/** A Redis Cluster of real servers for tests: primaries only, all slots covered. */
import { Redis } from "ioredis";
import { sleep } from "@sticky-proxy/runtime";
import { startRedis, type TestRedis } from "@sticky-proxy/testkit";

export interface TestCluster {
  /** "host:port" of each primary. */
  readonly nodes: readonly string[];
  readonly servers: readonly TestRedis[];
  stop(): Promise<void>;
}

const slots = 16_384;

export async function startRedisCluster(primaries: number): Promise<TestCluster> {
  const args = ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"];
  const servers = await Promise.all(Array.from({ length: primaries }, () => startRedis({ args })));
  const admins = servers.map(({ url }) => new Redis(url));
  try {
    await Promise.all(
      admins.map((admin, i) => {
        const first = Math.floor((slots * i) / primaries);
        const last = Math.floor((slots * (i + 1)) / primaries) - 1;
        return admin.call("CLUSTER", "ADDSLOTSRANGE", first, last);
      }),
    );
    for (const { port } of servers.slice(1)) await admins[0]!.call("CLUSTER", "MEET", "127.0.0.1", port);
    for (const admin of admins) {
      for (;;) {
        const info = await admin.cluster("INFO");
        if (info.includes("cluster_state:ok") && info.includes(`cluster_known_nodes:${primaries}`)) break;
        await sleep(50);
      }
    }
  } finally {
    for (const admin of admins) admin.disconnect();
  }
  return {
    servers,
    nodes: servers.map(({ port }) => `127.0.0.1:${port}`),
    async stop() {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}
