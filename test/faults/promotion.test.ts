/**
 * Profile `ha` over fail-overs: what is acknowledged stands on the server that answers afterwards, what may have run is
 * not said to have not, and nothing runs twice in silence. Three plain servers behind one address are enough to see it.
 */
import { isTerminal, StoreUnavailable, type ProcessRecord } from "@sticky-proxy/core/process";
import { createDurabilityGate, createIncarnation } from "@sticky-proxy/store/testing";
import { describeWithRedis, FakeUpstream, uniquePrefix } from "@sticky-proxy/testkit";
import { monotonic } from "@sticky-proxy/runtime";
import { expect } from "chai";
import { until } from "../support/until.ts";
import { newScope, ring, startReplica, sweeperOn, type Replica, type ReplicaOptions } from "./replica.ts";
import { startReplicated, type Replicated } from "./replicated.ts";

describeWithRedis("profile ha over fail-overs", function () {
  this.timeout(120_000);
  let redis: Replicated;
  let upstream: FakeUpstream;
  let keyPrefix: string;
  const opened: Replica[] = [];

  beforeEach(async () => {
    [redis, upstream] = await Promise.all([startReplicated(), FakeUpstream.start()]);
    keyPrefix = uniquePrefix();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((replica) => replica.close()));
    await Promise.all([upstream.close(), redis.close()]);
  });

  async function node(name: string, over: Partial<ReplicaOptions> = {}): Promise<Replica> {
    const { url: redisUrl } = redis.address;
    const policy = { leaseMs: 60_000, ...over.policy };
    const replica = await startReplica({
      profile: "ha",
      name,
      redisUrl,
      keyPrefix,
      origin: upstream.origin,
      ...over,
      policy,
    });
    opened.push(replica);
    return replica;
  }
  const refusalOf = (work: Promise<unknown>): Promise<StoreUnavailable> =>
    work.then(
      () => expect.fail("it was not refused"),
      (error: unknown) => {
        expect(error).to.be.instanceOf(StoreUnavailable);
        return error as StoreUnavailable;
      },
    );
  /** The service has the request and answers when it is let. */
  function answerWhen(): { open: (text?: string) => void } {
    const { promise, resolve } = Promise.withResolvers<string>();
    upstream.respond(async (_request, response) => response.end(await promise));
    return { open: (text = "done") => resolve(text) };
  }

  it("a result that only the dead primary had is committed again where it is missing, before anybody hears of it", async () => {
    const a = await node("a");
    const answer = answerWhen();
    const record = await a.start({ scope: newScope() });
    const running = a.run(record);
    await upstream.arrived(1);
    for (const link of redis.links) link.swallow({ newOnesToo: true });
    answer.open();
    await until(
      async () => (await redis.admin(redis.primary).hget(keyOf(a, record), "status")) === "completed",
    );
    await redis.primary.kill();
    const [next] = redis.replicas;
    await redis.promote(next);
    redis.lead(next);
    const ended = await running;
    expect(ended.record.status).to.equal("completed");
    expect(Buffer.from(ended.result!.body).toString()).to.equal("done");
    expect(await redis.admin(next).hget(keyOf(a, record), "status")).to.equal("completed");
    expect(upstream.requests).to.have.length(1);
  });

  it("whoever asks meanwhile gets no result that is not confirmed, and the same one once it is", async () => {
    const [a, b] = [await node("a"), await node("b")];
    const record = await a.start({ scope: newScope() });
    const held = a.store.hold("commit", "before");
    const running = a.run(record);
    await held.reached;
    for (const replica of redis.replicas) replica.pause();
    held.open();
    await until(
      async () => (await redis.admin(redis.primary).hget(keyOf(a, record), "status")) === "completed",
    );
    const read = await refusalOf(b.open.processes.read(record, { withResult: true }));
    expect(read.isUnsettled, "nobody may conclude that nothing ran").to.equal(true);
    const joined = await refusalOf(b.begin({ scope: record.scope }));
    expect(joined.isUnsettled).to.equal(true);
    for (const replica of redis.replicas) replica.resume();
    expect((await running).record.status).to.equal("completed");
    const begun = await until(() => b.begin({ scope: record.scope }).catch(() => null));
    expect(begun.verdict).to.equal("replay");
  });

  it("a claim that is neither confirmed nor withdrawn for sure is not said to be unsent, and no sweeper sends it", async () => {
    const [a, sweeper] = [await node("a"), await node("sweeper")];
    const scope = newScope();
    for (const replica of redis.replicas) replica.pause();
    const refused = await refusalOf(a.begin({ scope }));
    expect(refused.isUnsettled).to.equal(true);
    for (const replica of redis.replicas) replica.resume();
    const record = await until(async () => {
      const found = await a.open.processes.read(a.placeOf(scope), { withResult: false }).catch(() => null);
      return found?.record ?? null;
    });
    if (!isTerminal(record.status)) await ring(sweeper, record);
    const end = await until(
      async () => {
        const found = await sweeper.open.processes.read(record, { withResult: false }).catch(() => null);
        return found?.record != null && isTerminal(found.record.status) && found.record;
      },
      () => sweeperOn(sweeper).tick(),
    );
    expect(end.status).to.equal("failed");
    expect(upstream.requests).to.have.length(0);
  });

  it("what is sent is known to the next primary: its claim, attempt and fence", async () => {
    const a = await node("a");
    const answer = answerWhen();
    const record = await a.start({ scope: newScope() });
    expect(record).to.include({ status: "in-progress", phase: "forwarding", attempt: 1 });
    const running = a.run(record);
    await upstream.arrived(1);
    await redis.primary.kill();
    const [, next] = redis.replicas;
    await redis.promote(next);
    const known = await redis.admin(next).hmget(keyOf(a, record), "attempt", "fence", "phase");
    expect(known).to.deep.equal(["1", String(record.fence), "forwarding"]);
    redis.lead(next);
    answer.open();
    expect((await running).record.status).to.equal("completed");
    expect(upstream.requests).to.have.length(1);
  });

  it("an owner whose attempt the store does not know sends no second one: the outcome is unknown", async () => {
    const a = await node("a", { attempts: 3, policy: { onUnknown: failing } });
    const answer = answerWhen();
    const record = await a.start({ scope: newScope() });
    const running = a.run(record);
    await upstream.arrived(1);
    // What a primary without the dispatch would say.
    const { redis: connections } = a.open;
    await connections.writes.hset(keyOf(a, record), "status", "pending", "attempt", "0", "version", "7");
    await connections.writes.hdel(keyOf(a, record), "phase");
    answer.open();
    const ended = await running;
    expect(ended.record).to.include({ status: "failed", executed: "unknown" });
    expect(upstream.requests).to.have.length(1);
  });

  it("planned: the demoted primary confirms nothing, although its other replica still would", async () => {
    const a = await node("a");
    await a.start({ scope: newScope() }); // the gate has seen both replicas
    const [next, left] = redis.replicas;
    await redis.admin(next).replicaof("NO", "ONE");
    await until(
      async () => !(await redis.admin(redis.primary).info("replication")).includes(`port=${next.port},`),
    );
    const refused = await refusalOf(a.begin({ scope: newScope() }));
    expect(refused.message).to.contain("fail-over may be under way");
    await redis.admin(left).replicaof("127.0.0.1", next.port);
    redis.lead(next);
    const begun = await until(() => a.begin({ scope: newScope() }).catch(() => null));
    expect(begun.verdict).to.equal("start");
    expect(await redis.admin(left).exists(keyOf(a, begun.record))).to.equal(1);
  });

  it("one replica of two dies: what the other confirms goes on; none is left: nothing is sent", async () => {
    const a = await node("a");
    await a.start({ scope: newScope() });
    const [dead, last] = redis.replicas;
    await dead.kill();
    const begun = await until(() => a.begin({ scope: newScope() }).catch(() => null));
    expect(begun.verdict).to.equal("start");
    await last.kill();
    await until(async () =>
      (await redis.admin(redis.primary).info("replication")).includes("connected_slaves:0"),
    );
    await refusalOf(a.begin({ scope: newScope() }));
  });

  it("both replicas have what is confirmed, so either may be the next primary", async () => {
    const a = await node("a");
    const record = await a.start({ scope: newScope() });
    for (const replica of redis.replicas)
      expect(await redis.admin(replica).exists(keyOf(a, record))).to.equal(1);
  });

  it("a promotion that carried what was confirmed lets new work in after a moment, not after a lease", async () => {
    const a = await node("a");
    const paused: string[] = [];
    a.onPause = (why, ms) => paused.push(`${why} ${ms}`);
    await a.start({ scope: newScope() });
    await redis.primary.kill();
    await redis.promote(redis.replicas[0]);
    redis.lead(redis.replicas[0]);
    await until(() => a.begin({ scope: newScope() }).catch(() => null));
    expect(paused).to.deep.equal(["another-server 1500"]);
  });

  it("a promotion that has lost what was confirmed pauses the claims of every node for a lease", async () => {
    const target = { url: redis.address.url };
    const a = await node("a");
    const { redis: connections, keys } = a.open;
    const gate = createDurabilityGate({
      target,
      oneServer: connections.oneServer,
      keys,
      onDisk: false,
      onError: () => undefined,
    });
    const paused: string[] = [];
    const watching = (own: Pick<typeof gate, "hasForgotten">) =>
      createIncarnation({
        redis: connections,
        keys,
        profile: "ha",
        leaseMs: 30_000,
        clock: { monotonic },
        onPause: (why) => paused.push(why),
        gate: own,
      });
    const loser = watching(gate);
    const other = watching({ hasForgotten: () => Promise.resolve(false) });
    try {
      await Promise.all([loser.check(), other.check()]);
      const record = await a.start({ scope: newScope() });
      await until(() =>
        gate.confirm(record).then(
          () => true,
          () => false,
        ),
      );
      expect(await gate.hasForgotten()).to.equal(false);
      // A replica that was cut off before is promoted.
      const [stale] = redis.replicas;
      await redis.admin(stale).replicaof("NO", "ONE");
      await redis.admin(stale).flushall();
      await redis.primary.kill();
      redis.lead(stale);
      await until(() =>
        loser.check().then(
          () => paused.includes("data-lost"),
          () => false,
        ),
      );
      expect(await loser.mayClaim()).to.equal(false);
      await until(() =>
        other.check().then(
          () => paused.includes("another-server"),
          () => false,
        ),
      );
      await until(
        () => paused.filter((why) => why === "data-lost").length >= 2,
        () => other.mayClaim(),
      );
      expect(await other.mayClaim()).to.equal(false);
      expect(await gate.hasForgotten(), "said once").to.equal(false);
    } finally {
      await gate.close();
    }
  });
});

const failing = { cut: "fail", timeout: "fail", lost: "fail", answered: "fail" } as const;

const keyOf = ({ open }: Replica, { partition, scope }: ProcessRecord): string =>
  open.keys.process(partition, scope, null);
