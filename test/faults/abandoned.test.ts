/** Work whose service never reports back: it ends, its clients are answered, and nothing of it stays. */
import { setTimeout as delay } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { ProcessPolicy } from "@sticky-proxy/core/registry";
import { describeWithRedis, FakeUpstream, startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { Redis } from "ioredis";
import { startNodes } from "../support/nodes.ts";
import { suiteStores } from "../support/stores.ts";
import { newScope, startReplica, sweeperOn, type Replica } from "./replica.ts";

const abandoned = 10_000;
const atOnce = 250;

describeWithRedis("abandoned jobs", function () {
  this.timeout(90_000);

  describe(`${abandoned} of them`, () => {
    const keyPrefix = "ab:";
    let server: TestRedis;
    let admin: Redis;
    let upstream: FakeUpstream;
    let replica: Replica;

    before(async () => {
      server = await startRedis({ args: ["--appendonly", "no"] });
      admin = new Redis(server.url);
      upstream = await FakeUpstream.start();
      const policy: Partial<ProcessPolicy> = {
        completion: "callback",
        heartbeatTimeoutMs: 50,
        resultTtlMs: 200,
        tombstoneMs: 100,
      };
      replica = await startReplica({
        name: "n",
        redisUrl: server.url,
        keyPrefix,
        origin: upstream.origin,
        policy,
        deadLetterMs: 400,
      });
    });
    after(async () => {
      admin?.disconnect();
      await replica?.close();
      await upstream?.close();
      await server?.stop();
    });

    /** Keys that belong to processes: not the fences, the capped streams, and the cluster's own. */
    async function keysOfProcesses(): Promise<number> {
      let count = 0;
      for await (const keys of admin.scanStream({ match: `${keyPrefix}*`, count: 5000 })) {
        count += (keys as string[]).filter((key) => !/\}:[fe]$|\{meta\}/.test(key)).length;
      }
      return count;
    }
    async function bytesInRedis(): Promise<number> {
      return Number(/used_memory:(\d+)/.exec(await admin.info("memory"))![1]);
    }
    const collectGarbage = (() => {
      setFlagsFromString("--expose-gc");
      return runInNewContext("gc") as () => void;
    })();
    function bytesInNode(): number {
      collectGarbage();
      return process.memoryUsage().heapUsed;
    }

    /** Begins `count` jobs that the service accepts and forgets, and sweeps until nothing of them is left. */
    async function abandonAndForget(count: number): Promise<void> {
      const { processes } = replica.engine;
      const sweeper = sweeperOn(replica);
      for (let done = 0; done < count; done += atOnce) {
        await Promise.all(
          Array.from({ length: Math.min(atOnce, count - done) }, async () => {
            const record = await replica.start({ scope: newScope(), body: "job" });
            const event = { type: "accepted", attempt: 1, status: 202 } as const;
            const accepted = await processes.apply(record, {
              ...event,
              jobId: null,
              pollUrl: null,
              pollInMs: null,
            });
            if (accepted.kind !== "applied") throw new Error(accepted.kind);
          }),
        );
        await sweeper.tick();
      }
      while ((await sweeper.tick()) > 0 || (await keysOfProcesses()) > 0) await delay(20);
    }

    it("all end as failed, executed unknown and dead letters; after their retention no key is left and memory is flat", async () => {
      await abandonAndForget(1000); // what grows once has grown
      replica.transitions.length = 0;
      const before = { redis: await bytesInRedis(), node: bytesInNode() };

      await abandonAndForget(abandoned);

      const counted = new Map<string, number>();
      for (const { event, executed, deadLetter } of replica.transitions) {
        const what = event === "failed" ? `failed, executed ${executed}, dead letter ${deadLetter}` : event;
        counted.set(what, (counted.get(what) ?? 0) + 1);
      }
      expect(Object.fromEntries(counted)).to.include({
        created: abandoned,
        accepted: abandoned,
        "failed, executed unknown, dead letter callback": abandoned,
        expired: abandoned,
      });
      replica.transitions.length = 0;
      const after = { redis: await bytesInRedis(), node: bytesInNode() };
      const grown = { redis: after.redis - before.redis, node: after.node - before.node };
      process.stderr.write(
        `      ${abandoned} abandoned jobs: 0 keys left; Redis ${kib(grown.redis)}, node ${kib(grown.node)} against before\n`,
      );
      // 100 bytes a job would be 1 MB.
      expect(grown.redis).to.be.lessThan(1_000_000);
      expect(grown.node).to.be.lessThan(3_000_000);
      expect(replica.engine.watchdog.size + replica.engine.executor.inFlight).to.equal(0);
    });
  });

  it("300 held clients on three replicas are answered when the silence has lasted too long", async () => {
    const upstream = await FakeUpstream.start((_request, response) => response.writeHead(202).end());
    const suite = await suiteStores.Redis();
    const cluster = await startNodes({
      count: 3,
      store: suite.store,
      yaml: `
services:
  jobs:
    instances: [${upstream.origin}]
    routes:
      - process: { identity: request, completion: callback, waitMs: 30000, heartbeatTimeoutMs: 300, deadlineMs: 60000 }
`,
    });
    try {
      const held = Array.from({ length: 300 }, async (_, i) => {
        const answer = await fetch(`${cluster.url(i)}/jobs/x`, { method: "POST", body: `${i}` });
        const { executed } = (await answer.json()) as { executed: string };
        return `${answer.status} ${executed} ${answer.headers.get("sticky-process-status")}`;
      });
      let answered = false;
      const all = Promise.all(held).finally(() => (answered = true));
      while (!answered) {
        await cluster.sweeper.tick();
        await delay(20);
      }
      expect(new Set(await all)).to.deep.equal(new Set(["504 unknown failed"]));
      expect(upstream.requests).to.have.length(300);
      for (const { engine, gateway } of cluster.nodes) {
        expect(engine.watchdog.size + engine.executor.inFlight).to.equal(0);
        expect(gateway.server.inFlight).to.equal(0);
      }
    } finally {
      await cluster.close();
      await upstream.close();
      await suite.close();
    }
  });
});

function kib(bytes: number): string {
  return `${bytes > 0 ? "+" : ""}${Math.round(bytes / 1024)} KiB`;
}
