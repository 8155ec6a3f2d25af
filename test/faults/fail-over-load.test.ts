/**
 * Fail-overs under load, judged from outside: every result that a client was told is what its key gives afterwards, and
 * no key ran twice unless somebody was told that it is unknown.
 */
import { StoreUnavailable } from "@sticky-proxy/core/process";
import { describeWithRedis, FakeUpstream, startRedis, uniquePrefix } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { Redis } from "ioredis";
import { startRedisCluster } from "../support/redis-cluster.ts";
import { startSentinel } from "../support/sentinel.ts";
import { until } from "../support/until.ts";
import { newScope, startReplica, type Replica, type ReplicaOptions } from "./replica.ts";

const clients = 12;
/** So many calls after the fail-over has happened. */
const callsAfter = 40;

interface Told {
  readonly scope: string;
  /** null: it was refused, or is unknown. */
  readonly text: string | null;
  /** Whoever sent it was told that nothing ran. */
  readonly isUnsent: boolean;
}

/** Calls until `enough`. Who is told that nothing ran sends the same again, to another node. */
async function load(nodes: readonly Replica[], enough: () => boolean): Promise<Told[]> {
  const told: Told[] = [];
  async function call(node: Replica, scope: string): Promise<Told> {
    let began = false;
    try {
      const begun = await node.begin({ scope, body: scope });
      began = true;
      const ended = await node.run(begun.record, scope);
      return { scope, text: ended.result === null ? null : textOf(ended.result), isUnsent: false };
    } catch (error) {
      const isSettled = error instanceof StoreUnavailable && !error.isUnsettled && !error.mayHaveStarted;
      await new Promise((resolve) => setTimeout(resolve, 20)); // as a client that was refused
      return { scope, text: null, isUnsent: !began && isSettled };
    }
  }
  await Promise.all(
    Array.from({ length: clients }, async (_, i) => {
      let scope = newScope();
      for (let calls = i; !enough(); calls += 1) {
        const answer = await call(nodes[calls % nodes.length]!, scope);
        told.push(answer);
        if (!answer.isUnsent) scope = newScope();
      }
    }),
  );
  return told;
}

const textOf = ({ body }: { readonly body: Uint8Array }): string => Buffer.from(body).toString();

/** Starts the nodes and their service, calls while `fault` strikes, until new work goes through, and judges. */
async function judged(
  target: NonNullable<ReplicaOptions["target"]>,
  fault: () => Promise<unknown>,
): Promise<void> {
  /** By scope, the moments when the service got it. */
  const runs = new Map<string, number>();
  const upstream = await FakeUpstream.start((request, response) => {
    const scope = request.body.toString();
    runs.set(scope, (runs.get(scope) ?? 0) + 1);
    response.end(`${scope} ${runs.get(scope)}`);
  });
  const keyPrefix = uniquePrefix();
  const nodes: Replica[] = [];
  try {
    for (const name of ["a", "b", "c"]) {
      const policy = { leaseMs: 60_000 };
      const { origin } = upstream;
      nodes.push(
        await startReplica({ name, target, redisUrl: "", keyPrefix, origin, profile: "ha", policy }),
      );
    }
    let isOver = false;
    let after = 0;
    const loading = load(nodes, () => isOver && (after += 1) > callsAfter);
    await until(() => runs.size > 50);
    await fault();
    const goesOn = (scope: string) =>
      nodes[0]!.begin({ scope }).then(
        () => true,
        () => false,
      );
    for (let i = 0; i < 30; i += 1) await until(() => goesOn(newScope())); // in every partition
    isOver = true;
    const told = await loading;

    const results = told.filter(({ text }) => text !== null);
    expect(results.length, "the load went through").to.be.greaterThan(50);
    for (const { scope, text } of results) {
      const { record, result } = await until(() =>
        nodes[1]!.open.processes.read(nodes[1]!.placeOf(scope), { withResult: true }).catch(() => null),
      );
      expect(record?.status, `${scope} was told`).to.equal("completed");
      expect(textOf(result!)).to.equal(text);
    }
    expect(
      [...runs].filter(([, times]) => times > 1),
      "ran twice, although whoever was told of an unknown outcome did not send it again",
    ).to.deep.equal([]);
    const unsent = told.filter(
      ({ isUnsent, scope }) => isUnsent && !results.some((other) => other.scope === scope),
    );
    expect(
      unsent.filter(({ scope }) => runs.has(scope) && !told.some((t) => t.scope === scope && !t.isUnsent)),
      "told to be unsent, and ran",
    ).to.deep.equal([]);
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
    await upstream.close();
  }
}

describeWithRedis("fail-overs under load", function () {
  this.timeout(180_000);

  for (const how of ["planned", "the primary dies"] as const)
    it(`Sentinel, ${how}: no result that was told is lost, nothing runs twice, and what was told to be unsent never ran`, async () => {
      const args = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];
      const primary = await startRedis({ args });
      const follow = [...args, "--replicaof", "127.0.0.1", String(primary.port)];
      const replicas = [await startRedis({ args: follow }), await startRedis({ args: follow })];
      const admin = new Redis(primary.url);
      admin.on("error", () => undefined);
      await until(async () => (await admin.info("replication")).match(/state=online/g)?.length === 2);
      const sentinel = await startSentinel(primary.port);
      const asking = new Redis(sentinel.port);
      try {
        await judged({ sentinels: { name: "state", nodes: [`127.0.0.1:${sentinel.port}`] } }, async () => {
          if (how === "planned")
            await until(
              async () => (await asking.call("SENTINEL", "FAILOVER", "state").catch(() => null)) === "OK",
            );
          else await primary.kill();
          await until(async () => {
            const [, port] = (await asking.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "state")) as string[];
            return Number(port) !== primary.port;
          });
        });
      } finally {
        asking.disconnect();
        admin.disconnect();
        await sentinel.stop();
        await Promise.all([primary, ...replicas].map((server) => server.stop()));
      }
    });

  for (const how of ["planned", "the primary dies"] as const)
    it(`Cluster, ${how}: no result that was told is lost, nothing runs twice, and what was told to be unsent never ran`, async () => {
      const cluster = await startRedisCluster(3, [2, 1, 1]);
      const admins = cluster.replicas[0]!.map(({ url }) => new Redis(url));
      for (const admin of admins) admin.on("error", () => undefined);
      try {
        await judged({ cluster: { nodes: cluster.nodes } }, async () => {
          if (how === "the primary dies") await cluster.servers[0]!.kill();
          const roleOf = async (admin: Redis) => (await admin.role())[0];
          let askedAt = -Infinity;
          await until(async () => {
            // One that finds no majority in time is given up, and has to be asked for again.
            if (how === "planned" && performance.now() - askedAt > 8000) {
              askedAt = performance.now();
              await admins[0]!.call("CLUSTER", "FAILOVER");
            }
            return (await Promise.all(admins.map(roleOf))).includes("master");
          });
        });
      } finally {
        for (const admin of admins) admin.disconnect();
        await cluster.stop();
      }
    });
});
