/** Sweepers side by side, sweepers that die, and what a look costs when much is stored. */
import { asScope } from "@sticky-proxy/protocol";
import { processId, type ProcessRecord } from "@sticky-proxy/core/process";
import type { ProcessPolicy } from "@sticky-proxy/core/registry";
import {
  describeWithRedis,
  FakeUpstream,
  startRedis,
  uniquePrefix,
  type TestRedis,
} from "@sticky-proxy/testkit";
import { expect } from "chai";
import { until } from "../support/until.ts";
import { newScope, readNow, ring, startReplica, sweeperOn, type Replica } from "./replica.ts";

describeWithRedis("sweepers over one Redis", function () {
  this.timeout(40_000);
  let server: TestRedis;
  let upstream: FakeUpstream;
  let opened: Replica[] = [];

  before(async () => {
    server = await startRedis({ args: ["--appendonly", "no"] });
    upstream = await FakeUpstream.start();
  });
  after(async () => {
    await upstream.close();
    await server.stop();
  });
  afterEach(async () => {
    await Promise.all(opened.map((replica) => replica.close()));
    opened = [];
    upstream.requests.length = 0;
  });

  async function replicas(
    count: number,
    given: { policy?: Partial<ProcessPolicy>; attempts?: number; partitions?: number } = {},
  ): Promise<Replica[]> {
    const keyPrefix = uniquePrefix();
    for (let i = 0; i < count; i += 1) {
      const name = `n${i}`;
      opened.push(
        await startReplica({ name, keyPrefix, redisUrl: server.url, origin: upstream.origin, ...given }),
      );
    }
    return opened;
  }
  async function orphans(on: Replica, count: number): Promise<ProcessRecord[]> {
    const records = await Promise.all(
      Array.from({ length: count }, () => on.start({ scope: newScope(), body: "x" })),
    );
    await Promise.all(records.map((record) => ring(on, record)));
    return records;
  }
  /** How often each process saw that event, over all replicas. */
  function timesOf(event: string): number[] {
    const times = new Map<string, number>();
    for (const transition of opened.flatMap(({ transitions }) => transitions)) {
      if (transition.event === event) times.set(transition.id, (times.get(transition.id) ?? 0) + 1);
    }
    return [...times.values()];
  }

  it("two side by side settle each orphan once", async () => {
    const [owner, one, two] = (await replicas(3)) as [Replica, Replica, Replica];
    const records = await orphans(owner, 400);
    const sweepers = [sweeperOn(one), sweeperOn(two)];
    while ((await Promise.all(sweepers.map((sweeper) => sweeper.tick()))).some((answered) => answered > 0));
    const settled = await Promise.all(records.map((record) => readNow(one, record)));
    expect(
      settled.filter(
        ({ status, executed, version }) => `${status} ${executed} ${version}` !== "failed unknown 2",
      ),
    ).to.deep.equal([]);
    expect(timesOf("failed")).to.deep.equal(records.map(() => 1));
    expect(Math.min(one.transitions.length, two.transitions.length), "both worked").to.be.greaterThan(0);
  });

  it("two side by side send each orphan again once", async () => {
    const onUnknown = { cut: "retry", timeout: "retry", lost: "retry", answered: "retry" } as const;
    const [owner, one, two] = (await replicas(3, { policy: { onUnknown }, attempts: 2 })) as [
      Replica,
      Replica,
      Replica,
    ];
    const records = await orphans(owner, 60);
    const sweepers = [sweeperOn(one), sweeperOn(two)];
    const tick = () => Promise.all(sweepers.map((sweeper) => sweeper.tick()));
    await tick(); // each waits for its next attempt
    await Promise.all(records.map((record) => ring(owner, record)));
    // A tick sends no more to one destination than its share; what is left rings again.
    const settled = await until(
      async () => {
        const seen = await Promise.all(records.map((record) => readNow(one, record)));
        return seen.every(({ endedAt }) => endedAt !== null) ? seen : null;
      },
      async () => {
        await tick();
        await Promise.all([one.engine.executor.idle(), two.engine.executor.idle()]);
      },
    );
    expect(new Set(settled.map(({ status, attempt }) => `${status} ${attempt}`))).to.deep.equal(
      new Set(["completed 2"]),
    );
    const sent = upstream.requests.map(({ headers }) => headers.get("sticky-process-id")!).sort();
    expect(sent).to.deep.equal(records.map(processId).sort());
  });

  it("what a dead sweeper claimed rings again, and if it was only slow its late answer changes nothing", async () => {
    const [owner, dying, next] = (await replicas(3)) as [Replica, Replica, Replica];
    const [record] = (await orphans(owner, 1)) as [ProcessRecord];
    const held = dying.store.hold("commit", "before");
    const hideMs = 100;
    const slow = sweeperOn(dying, hideMs).tick();
    await held.reached;
    const sweeper = sweeperOn(next);
    expect(await sweeper.tick(), "hidden").to.equal(0);
    while ((await sweeper.tick()) === 0);
    const settled = await readNow(next, record);
    expect(settled).to.include({ status: "failed", version: 2 });
    held.open();
    await slow;
    expect(await readNow(next, record)).to.deep.equal(settled);
    expect(timesOf("failed")).to.deep.equal([1]);
  });

  describe("what a look costs", () => {
    type Calls = Record<string, { readonly calls: number; readonly usec: number }>;

    async function calls(replica: Replica): Promise<Calls> {
      const text = await replica.open.redis.reads.info("commandstats");
      const found: Calls = {};
      for (const [, name, count, usec] of text.matchAll(/cmdstat_([a-z|]+):calls=(\d+),usec=(\d+)/g))
        if (name !== "info") found[name!] = { calls: Number(count), usec: Number(usec) };
      return found;
    }
    async function costOf(replica: Replica, work: () => Promise<unknown>) {
      const before = await calls(replica);
      await work();
      const used: Record<string, number> = {};
      let usec = 0;
      for (const [name, now] of Object.entries(await calls(replica))) {
        const count = now.calls - (before[name]?.calls ?? 0);
        if (count > 0) used[name] = count;
        if (count > 0 && name !== "evalsha") usec += now.usec - (before[name]?.usec ?? 0);
      }
      return { used, usec };
    }
    /** Redis copies one real finished process `count` times: record, body, alarm, list entry. */
    const copies = `
      for i = ARGV[1], ARGV[2] do
        local p = i % 64
        local scope = string.format('copy%018d', i)
        local at = ARGV[3] .. '{p' .. p .. '}:'
        redis.call('COPY', KEYS[1], at .. 'x:' .. scope)
        redis.call('COPY', KEYS[2], at .. 'b:' .. scope)
        redis.call('ZADD', at .. 't', ARGV[4], scope)
        redis.call('ZADD', at .. 'i:svc:completed', ARGV[5], scope)
      end`;

    async function measure(stored: number) {
      const [replica] = (await replicas(1, { partitions: 64 })) as [Replica];
      const { record } = await replica.run(await replica.start({ scope: newScope() }));
      const { redis, keys } = replica.open;
      for (let from = 1; from < stored; from += 5000) {
        await redis.writes.eval(
          copies,
          2,
          keys.process(record.partition, record.scope, null),
          keys.result(record.partition, record.scope, null),
          from,
          Math.min(from + 4999, stored - 1),
          keys.prefix,
          record.wakeAt!,
          record.epoch,
        );
      }
      expect((await replica.store.count("svc")).completed).to.equal(stored);
      const sweeper = sweeperOn(replica);
      await sweeper.tick();
      const idle = await costOf(replica, () => sweeper.tick());
      const due = Array.from({ length: 100 }, (_, i) => ({
        partition: (i + 1) % 64,
        scope: asScope(`copy${String(i + 1).padStart(18, "0")}`),
      }));
      await Promise.all(
        due.map(async ({ partition, scope }) => {
          await redis.writes.hset(keys.process(partition, scope, null), "expireAt", 1);
          await ring(replica, { partition, scope, epoch: record.epoch });
        }),
      );
      let answered = 0;
      const busy = await costOf(replica, async () => (answered = await sweeper.tick()));
      expect(answered).to.equal(100);
      const some = await readNow(replica, { ...due[50]!, epoch: record.epoch });
      expect(some).to.include({ status: "completed", expired: true, resultPayload: null });
      await Promise.all(opened.splice(0).map((each) => each.close()));
      return { idle, busy };
    }

    it("grows with what is due and not with what is stored: the same calls for 200 and for 100,000 processes", async () => {
      const small = await measure(200);
      const large = await measure(100_000);
      const of = (used: Record<string, number>): string =>
        Object.entries(used)
          .map(([name, count]) => `${name} ${count}`)
          .join(", ");
      process.stderr.write(
        `      100,000 stored, 0 due: ${of(large.idle.used)} (${large.idle.usec} µs in Redis; 200 stored: ${small.idle.usec})\n` +
          `      100,000 stored, 100 due: ${of(large.busy.used)} (${large.busy.usec} µs in Redis; 200 stored: ${small.busy.usec})\n`,
      );
      expect(large.idle.used).to.deep.equal(small.idle.used);
      expect(large.busy.used).to.deep.equal(small.busy.used);
      expect(large.idle.used).to.deep.equal({ time: 1, zrange: 64 });
      expect(large.busy.used["hgetall"], "read once; the commit need not send it back").to.equal(100);
      expect(large.busy.used["publish"] ?? large.busy.used["spublish"]).to.equal(100);
    });
  });
});
