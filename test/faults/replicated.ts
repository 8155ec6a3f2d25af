/**
 * A primary and two replicas behind one address that a test switches, without Sentinels: what the nodes see of a fail-over.
 * The replicas follow through relays, so that a test can keep what it wants from them.
 */
import { startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { Redis } from "ioredis";
import { until } from "../support/until.ts";
import { startRelay, type Relay } from "./relay.ts";

export interface Replicated {
  /** Where the nodes find the primary. */
  readonly address: Relay;
  readonly primary: TestRedis;
  readonly replicas: readonly [TestRedis, TestRedis];
  /** From the primary to each replica. */
  readonly links: readonly [Relay, Relay];
  /** Makes it a primary, and the other replica its own; the address still leads to the old one. */
  promote(replica: TestRedis): Promise<void>;
  /** Lets the address lead there, as Sentinel's answer would, and breaks what leads elsewhere. */
  lead(to: TestRedis): void;
  /** A client of its own to each server, by its port. */
  admin(server: TestRedis): Redis;
  close(): Promise<void>;
}

const settings = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];

export async function startReplicated(): Promise<Replicated> {
  const servers = [
    await startRedis({ args: settings }),
    await startRedis({ args: settings }),
    await startRedis({ args: settings }),
  ] as const;
  const [primary, ...replicas] = servers;
  const links = [await startRelay(primary.port), await startRelay(primary.port)] as const;
  const address = await startRelay(primary.port);
  const admins = new Map(servers.map((server) => [server.port, new Redis(server.url)]));
  for (const admin of admins.values()) admin.on("error", () => undefined);
  const admin = (server: TestRedis): Redis => admins.get(server.port)!;

  for (const [i, replica] of replicas.entries())
    await admin(replica).replicaof("127.0.0.1", Number(new URL(links[i]!.url).port));
  await until(
    async () => (await admin(primary).info("replication")).match(/state=online[^\r]*lag=[01]/g)?.length === 2,
  );
  return {
    address,
    primary,
    replicas,
    links,
    admin,
    async promote(replica) {
      await admin(replica).replicaof("NO", "ONE");
      const other = replicas.find(({ port }) => port !== replica.port)!;
      await admin(other).replicaof("127.0.0.1", replica.port);
    },
    lead(to) {
      address.leadTo(to.port);
      address.cut();
    },
    async close() {
      for (const each of admins.values()) each.disconnect();
      await Promise.all([address.close(), ...links.map((link) => link.close())]);
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}
