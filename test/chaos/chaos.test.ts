/**
 * A seeded run: load and faults against three real replicas, a sweeper and Redis, judged by its history alone.
 * CHAOS_SEED repeats a plan, CHAOS_SECONDS makes it longer.
 */
import { randomInt } from "node:crypto";
import { describeWithRedis, startRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startRelay, type Relay } from "../faults/relay.ts";
import { startCluster } from "../support/cluster.ts";
import { startBackend } from "./backend.ts";
import { findingsOf, judge, type Judgement } from "./checker.ts";
import { drive } from "./driver.ts";
import { breakThings } from "./faults.ts";
import type { History } from "./history.ts";
import { startLockGateway } from "./lock-gateway.ts";
import { seeded } from "./random.ts";
import { scan } from "./scan.ts";

const seed = Number(process.env["CHAOS_SEED"] ?? randomInt(2 ** 31));
const seconds = Number(process.env["CHAOS_SECONDS"] ?? 20);
const leaseMs = 800;
const clients = 40;

describeWithRedis("chaos", function () {
  this.timeout((seconds + 60) * 1000);
  const said: string[] = [];
  after(() => process.stderr.write(`      ${said.join("; ")}\n`));

  it(`seed ${seed}: with replicas, sweeper and Redis killed and stopped and wires cut, the promise holds`, async () => {
    const random = seeded(seed);
    const backend = await startBackend(random.branch("service"), leaseMs);
    const instances = [backend.origin];
    const process = { identity: "key", leaseMs, force: true };
    let wire: Relay | null = null;
    const cluster = await startCluster({
      redisUrl: async ({ port }) => {
        wire = await startRelay(port);
        return wire.url;
      },
      config: {
        sweeper: { tickMs: 100 },
        services: {
          careful: { instances, routes: [{ process }] },
          robust: {
            instances,
            honoursKey: true,
            routes: [
              {
                process: { ...process, onUnknown: "retry" },
                retries: { attempts: 5, minMs: 10, maxMs: 200 },
              },
            ],
          },
          later: {
            instances,
            routes: [
              {
                process: {
                  ...process,
                  completion: "callback",
                  waitMs: 1500,
                  onWaitEnd: "accepted",
                  deadlineMs: 4000,
                },
              },
            ],
          },
        },
      },
    });
    try {
      const urls = cluster.proxies.map(({ url }) => url);
      const forMs = seconds * 1000;
      backend.reportTo(urls);
      const [operations, faults] = await Promise.all([
        drive({ urls, random: random.branch("load"), forMs, clients }),
        breakThings({ cluster, wire: wire!, random: random.branch("faults"), forMs, leaseMs }),
      ]);
      await backend.reported();
      const after = await scan(cluster.redis.url, 15_000);
      const { executions, reports } = backend;
      const judgement = judge({ operations, executions, reports, ...after });
      said.push(summary({ operations, executions, reports, ...after }, faults, judgement));
      expect(findingsOf(judgement), `seed ${seed}`).to.deep.equal([]);
      expect(operations.filter(({ answer }) => answer?.status === 200).length).to.be.greaterThan(30);
      expect(reports.filter(({ answer }) => answer === "accepted").length).to.be.greaterThan(3);
      expect([...faults.values()].reduce((sum, count) => sum + count, 0)).to.be.greaterThan(5);
    } finally {
      for (const { child } of cluster.proxies) child.kill("SIGCONT");
      cluster.redis.resume();
      await cluster.stop();
      await wire!.close();
      await backend.close();
    }
  });

  it("the negative control, a lock with SET NX PX, is caught by the same checker", async () => {
    const random = seeded(seed);
    const controlLeaseMs = 150;
    const server = await startRedis({ args: ["--appendonly", "no"] });
    const backend = await startBackend(random.branch("service"), controlLeaseMs);
    const gateways = await Promise.all(
      [0, 1, 2].map((i) =>
        startLockGateway({
          redisUrl: server.url,
          origin: backend.origin,
          random: random.branch(`owner ${i}`),
          leaseMs: controlLeaseMs,
          stallsFirst: i === 0,
        }),
      ),
    );
    try {
      const operations = await drive({
        urls: gateways.map(({ url }) => url),
        random: random.branch("load"),
        forMs: 2000,
        clients,
      });
      const calls = operations.filter(({ kind }) => kind !== "result");
      const stored = await gateways[0]!.stored();
      const judgement = judge({
        operations: calls,
        executions: backend.executions,
        reports: [],
        stored,
        disagreements: [],
      });
      said.push(`negative control caught (${judgement.contradictions.length})`);
      expect(judgement.contradictions.length).to.be.greaterThan(0);
    } finally {
      await Promise.all(gateways.map((gateway) => gateway.close()));
      await backend.close();
      await server.stop();
    }
  });
});

function summary(
  { operations, reports }: History,
  faults: ReadonlyMap<string, number>,
  judgement: Judgement,
): string {
  const count = [...faults.values()].reduce((sum, times) => sum + times, 0);
  const kinds = [...faults].map(([kind, times]) => `${kind} ${times}`).join(", ");
  const answers = [...Map.groupBy(reports, ({ answer }) => answer ?? "unanswered")]
    .map(([answer, all]) => `${answer} ${all.length}`)
    .join(", ");
  return [
    `${operations.length} operations, ${reports.length} reports (${answers})`,
    `${count} faults (${kinds}), seed ${seed}`,
    `${judgement.doubleExecutions.length} double executions within one fence`,
    `${judgement.contradictions.length} contradicting answers`,
    `${judgement.lostResults.length} lost acknowledged results`,
    `${judgement.wrongReports.length} wrong reports, ${judgement.undoneCancels.length} undone cancels`,
    `${judgement.stuck.length} stuck`,
    `${judgement.takeOvers} explained take-overs`,
  ].join(", ");
}
