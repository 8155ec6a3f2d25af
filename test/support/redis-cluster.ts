/** A Redis Cluster of real servers for tests, all slots covered. */
import { Redis } from "ioredis";
import { sleep } from "@sticky-proxy/runtime";
import { startRedis, type TestRedis } from "@sticky-proxy/testkit";

export interface TestCluster {
  /** "host:port" of each primary. */
  readonly nodes: readonly string[];
  /** The primaries. */
  readonly servers: readonly TestRedis[];
  /** Of each primary, in its order. */
  readonly replicas: readonly (readonly TestRedis[])[];
  stop(): Promise<void>;
}

const slots = 16_384;

/** @param replicas of each primary; default: none */
export async function startRedisCluster(
  primaries: number,
  replicas: readonly number[] = [],
): Promise<TestCluster> {
  const args = Object.entries({
    "--cluster-enabled": "yes",
    "--cluster-announce-ip": "127.0.0.1",
    "--cluster-node-timeout": "1500",
    "--cluster-allow-replica-migration": "no",
    "--repl-diskless-sync-delay": "0",
    "--repl-ping-replica-period": "1",
  }).flat();
  const servers = await Promise.all(Array.from({ length: primaries }, () => startRedis({ args })));
  const admins = servers.map(({ url }) => new Redis(url));
  let followers: readonly (readonly TestRedis[])[] = [];
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
    followers = await Promise.all(
      admins.map((admin, i) => follow(admin, servers[i]!.port, replicas[i] ?? 0, args)),
    );
    // Who votes for a replica has to know it.
    const known = `cluster_known_nodes:${primaries + followers.flat().length}`;
    for (const admin of admins) while (!(await admin.cluster("INFO")).includes(known)) await sleep(50);
  } finally {
    for (const admin of admins) admin.disconnect();
  }
  return {
    servers,
    replicas: followers,
    nodes: servers.map(({ port }) => `127.0.0.1:${port}`),
    async stop() {
      await Promise.all([...servers, ...followers.flat()].map((server) => server.stop()));
    },
  };
}

/** Starts `count` replicas of the primary, and waits until they follow. */
async function follow(
  primary: Redis,
  port: number,
  count: number,
  args: readonly string[],
): Promise<readonly TestRedis[]> {
  const id = (await primary.cluster("MYID")) as string;
  const servers = await Promise.all(Array.from({ length: count }, () => startRedis({ args })));
  for (const server of servers) {
    const admin = new Redis(server.url);
    await admin.call("CLUSTER", "MEET", "127.0.0.1", port);
    while ((await admin.call("CLUSTER", "REPLICATE", id).catch(() => null)) !== "OK") await sleep(50);
    admin.disconnect();
  }
  while (((await primary.info("replication")).match(/state=online/g)?.length ?? 0) < count) await sleep(50);
  return servers;
}
