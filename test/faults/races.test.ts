/**
 * The races that the design forbids, each interleaved by hand over a real Redis: one replica's call is held on its way
 * to the store or back, another replica acts, the call goes on.
 */
import { systemClock } from "@sticky-proxy/runtime";
import { isTerminal, resultId, type ProcessRecord, type Snapshot } from "@sticky-proxy/core/process";
import { waitFor } from "@sticky-proxy/engine";
import type { ProcessPolicy } from "@sticky-proxy/core/registry";
import { describeWithRedis, FakeUpstream, sharedRedisUrl, uniquePrefix } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { newScope, readNow, ring, startReplica, sweeperOn, type Replica } from "./replica.ts";

describeWithRedis("races between replicas over one Redis", () => {
  let upstream: FakeUpstream;
  const opened: Replica[] = [];

  beforeEach(async () => {
    upstream = await FakeUpstream.start();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((replica) => replica.close()));
    await upstream.close();
  });

  async function replicas(
    names: readonly string[],
    policy: Partial<ProcessPolicy> = {},
    attempts = 1,
  ): Promise<Replica[]> {
    const keyPrefix = uniquePrefix();
    const redisUrl = await sharedRedisUrl();
    const origin = upstream.origin;
    for (const name of names) {
      const isDeaf = name === "deaf";
      opened.push(await startReplica({ name, redisUrl, keyPrefix, origin, policy, attempts, isDeaf }));
    }
    return opened;
  }
  const resultOf = (text: string) => {
    const response = { status: 200, headers: [], body: Buffer.from(text) };
    return { id: resultId(response), response };
  };
  async function storedText(replica: Replica, ref: ProcessRecord): Promise<string | null> {
    const { result } = await replica.open.processes.read(ref, { withResult: true });
    return result === null ? null : Buffer.from(result.body).toString();
  }

  describe("supersede against commit", () => {
    it("an owner that was moved aside with its answer in hand commits nothing; its client gets the cancelled record that names the successor", async () => {
      const [a, b] = (await replicas(["a", "b"])) as [Replica, Replica];
      const first = await a.start({ scope: newScope() });
      const held = a.store.hold("commit", "before");
      const running = a.run(first);
      await held.reached;
      const second = await b.start({ scope: first.scope, force: true });
      held.open();
      const { record, result } = await running;
      expect(record).to.include({ status: "cancelled", epoch: first.epoch, supersededBy: second.epoch });
      expect(result).to.equal(null);
      expect(await storedText(b, first)).to.equal(null);
      expect(await readNow(b, second)).to.deep.equal(second);
      expect(second.fence).to.be.greaterThan(first.fence);
    });

    it("a replacement that lost to the commit starts nothing and replays what was committed", async () => {
      const [a, b] = (await replicas(["a", "b"])) as [Replica, Replica];
      const first = await a.start({ scope: newScope() });
      const held = b.store.hold("supersede", "before");
      const replacing = b.begin({ scope: first.scope, onDuplicate: "replace" });
      await held.reached;
      await a.run(first);
      held.open();
      const begun = await replacing;
      expect(begun.verdict).to.equal("replay");
      expect(begun.record.epoch).to.equal(first.epoch);
      expect(upstream.requests).to.have.length(1);
    });

    it("of two forced runs at once each has its own process: the later moves the earlier aside and has the higher fence", async () => {
      const [a, b] = (await replicas(["a", "b"])) as [Replica, Replica];
      const first = await a.start({ scope: newScope() });
      const held = b.store.hold("supersede", "before");
      const slow = b.begin({ scope: first.scope, force: true, onDuplicate: "join" });
      await held.reached;
      const quick = await a.start({ scope: first.scope, force: true });
      held.open();
      const begun = await slow;
      expect(begun.verdict).to.equal("start");
      expect(begun.record.fence).to.be.greaterThan(quick.fence);
      expect(await readNow(a, quick)).to.include({ status: "cancelled", supersededBy: begun.record.epoch });
      expect(await readNow(a, first)).to.include({ status: "cancelled", supersededBy: quick.epoch });
    });
  });

  describe("renew against accept and take-over", () => {
    it("a lease renewed between a sweeper's look and its commit wins: nothing is taken over", async () => {
      const [a, s] = (await replicas(["a", "s"])) as [Replica, Replica];
      const record = await a.start({ scope: newScope() });
      await ring(a, record);
      const held = s.store.hold("commit", "before");
      const sweeping = sweeperOn(s).tick();
      await held.reached;
      expect(await a.store.renew([{ ...record, owner: "a" }])).to.deep.equal([]);
      held.open();
      await sweeping;
      expect(await readNow(a, record)).to.include({ status: "in-progress", owner: "a", version: 1 });
      expect((await a.run(record)).record).to.include({ status: "completed" });
    });

    it("a renewal that arrives after the service accepted is lost and moves no deadline of the callback", async () => {
      const [a] = (await replicas(["a"], { completion: "callback", heartbeatTimeoutMs: 5000 })) as [Replica];
      const record = await a.start({ scope: newScope() });
      const held = a.store.hold("renew", "before");
      const renewing = a.store.renew([{ ...record, owner: "a" }]);
      await held.reached;
      const { record: accepted } = await a.run(record);
      expect(accepted).to.include({ phase: "awaiting-callback", owner: null });
      held.open();
      expect(await renewing).to.have.length(1);
      expect(await readNow(a, record)).to.deep.equal(accepted);
    });

    it("a renewal while the answer is on its way makes the owner's commit neither stale nor late", async () => {
      const [a] = (await replicas(["a"])) as [Replica];
      const record = await a.start({ scope: newScope() });
      const held = a.store.hold("commit", "before");
      const running = a.run(record);
      await held.reached;
      await a.store.renew([{ ...record, owner: "a" }]);
      held.open();
      expect((await running).record).to.include({ status: "completed", version: 2 });
    });
  });

  describe("a callback against the answer in hand", () => {
    it("the callback was first: the owner's answer is dropped and its client gets the committed record", async () => {
      const [a, b] = (await replicas(["a", "b"])) as [Replica, Replica];
      upstream.respond((_request, response) => response.end("in hand"));
      const record = await a.start({ scope: newScope() });
      const held = a.store.hold("commit", "before");
      const running = a.run(record);
      await held.reached;
      const result = resultOf("called back");
      const called = await b.engine.processes.apply(record, {
        type: "called-back",
        attempt: 1,
        status: 200,
        result,
        message: null,
      });
      expect(called.kind).to.equal("applied");
      held.open();
      const ran = await running;
      expect(ran.record).to.include({ status: "completed", resultPayload: result.id });
      expect(ran.result, "the answer in hand").to.equal(null);
      expect(await storedText(a, record)).to.equal("called back");
    });

    it("a callback that was decided before the 202 of its own dispatch still counts", async () => {
      const [a, b] = (await replicas(["a", "b"], { completion: "callback" })) as [Replica, Replica];
      const record = await a.start({ scope: newScope() });
      const held = b.store.hold("commit", "before");
      const calling = b.engine.processes.apply(record, {
        type: "called-back",
        attempt: 1,
        status: 200,
        result: resultOf("called back"),
        message: null,
      });
      await held.reached;
      expect((await a.run(record)).record).to.include({ phase: "awaiting-callback" });
      held.open();
      expect((await calling).kind).to.equal("applied");
      expect(await storedText(a, record)).to.equal("called back");
    });
  });

  describe("a reader against supersede", () => {
    it("whoever holds an old record gets its body or none, never the body of the next process", async () => {
      const [a, b] = (await replicas(["a", "b"], { keepRequest: true })) as [Replica, Replica];
      upstream.respond((request, response) => response.end(`result of ${request.body.toString()}`));
      const scope = newScope();
      const first = await a.start({ scope, body: "one" });
      const { record: old } = await a.run(first, "one");
      const reading = a.store.hold("readRequest", "before");
      const request = a.store.readRequest(old);
      await reading.reached;
      const second = await b.start({ scope, body: "two", force: true });
      const { record: next } = await b.run(second, "two");
      reading.open();
      expect(Buffer.from((await request)!.body).toString()).to.equal("one");
      expect(await storedText(a, old)).to.equal("result of one");
      expect(await storedText(a, next)).to.equal("result of two");
    });

    it("a payload under the scope's name that another process wrote reads as absent", async () => {
      const [a] = (await replicas(["a"], { keepRequest: true })) as [Replica];
      upstream.respond((_request, response) => response.end("old"));
      const { record } = await a.run(await a.start({ scope: newScope(), body: "old" }), "old");
      const { redis, keys } = a.open;
      const { partition, scope } = record;
      await redis.writes.set(keys.result(partition, scope, null), "another\n[200,[]]\nnew");
      await redis.writes.set(keys.request(partition, scope, null), 'another\n[{"method":"POST"},null]\nnew');
      expect(await storedText(a, record)).to.equal(null);
      expect(await a.store.readRequest(record)).to.equal(null);
    });

    async function backsOff(replica: Replica, record: ProcessRecord): Promise<ProcessRecord> {
      const failed = await replica.engine.processes.apply(record, {
        type: "failed",
        attempt: 1,
        executed: "no",
        unknown: "cut",
        slug: "upstream-unreachable",
        reason: "refused",
        retryAfterMs: 0,
      });
      if (failed.kind !== "applied") throw new Error(`it is ${failed.kind}`);
      expect(failed.record).to.include({ phase: "backing-off", owner: replica.name });
      return failed.record;
    }

    it("a run that wants to wait longer sends nothing when another run of its node has sent the attempt", async () => {
      const [a] = (await replicas(["a"], {}, 3)) as [Replica];
      const waiting = await backsOff(a, await a.start({ scope: newScope() }));
      const { promise: seen, resolve: answer } = Promise.withResolvers<void>();
      upstream.respond(async (_request, response) => {
        await seen;
        response.end("ok");
      });
      a.pause(100);
      const held = a.store.hold("commit", "before");
      const late = a.run(waiting);
      await held.reached;
      a.pause(0);
      const sending = a.run(waiting);
      await upstream.arrived();
      held.open();
      expect(await late).to.deep.include({ result: null, live: null });
      answer();
      expect((await sending).record).to.include({ status: "completed", attempt: 2 });
      expect(upstream.requests).to.have.length(1);
    });

    it("a sweeper that holds an old waiting record sends nothing once it was moved aside", async () => {
      const [a, s] = (await replicas(["a", "s"], {}, 3)) as [Replica, Replica];
      const record = await a.start({ scope: newScope(), body: "old" });
      await backsOff(a, record);
      await ring(a, record);
      const held = s.store.hold("readRequest", "after");
      const sweeping = sweeperOn(s).tick();
      await held.reached;
      const next = await a.start({ scope: record.scope, body: "new", force: true });
      held.open();
      await sweeping;
      await s.engine.executor.idle();
      expect(upstream.requests).to.have.length(0);
      expect(await readNow(a, next)).to.deep.equal(next);
    });
  });

  it("the watchdog untracks before the commit that ends ownership: a renewal during it is neither sent nor counted as lost", async () => {
    const [a] = (await replicas(["a"])) as [Replica];
    const record = await a.start({ scope: newScope() });
    const held = a.store.hold("commit", "after"); // done in Redis, the owner does not know yet
    const running = a.run(record);
    await held.reached;
    a.standStill(record.leaseMs / 2);
    await a.engine.watchdog.tick();
    held.open();
    expect((await running).record).to.include({ status: "completed" });
    expect(a.store.called("renew")).to.equal(0);
    expect(a.lost).to.deep.equal([]);
  });

  it("a waiter registers before it reads: a change between its read and its sleep wakes it", async () => {
    const [a, b] = (await replicas(["a", "b"])) as [Replica, Replica];
    const heard = Promise.withResolvers<void>();
    const listening = b.open.changes.watchAll(({ status }) => {
      if (status === "completed") heard.resolve();
    });
    if (!b.open.changes.isLive()) {
      await new Promise<void>((resolve) => b.open.changes.onLive((isLive) => isLive && resolve()));
    }
    const record = await a.start({ scope: newScope() });
    const held = b.store.hold("read", "after"); // b has read "in progress" and does not know it yet
    const waiting = waitFor(
      {
        store: b.store,
        changes: b.open.changes,
        // Never by itself: only a notice ends this sleep.
        sleep: (_ms, signal) =>
          new Promise((resolve) => {
            if (signal.aborted) resolve();
            else signal.addEventListener("abort", () => resolve(), { once: true });
          }),
        random: () => 0,
        clock: systemClock,
      },
      record,
      ({ record: now }: Snapshot) => now !== null && isTerminal(now.status),
      { timeoutMs: 60_000, signal: new AbortController().signal, withResult: true },
    );
    await held.reached;
    await a.run(record);
    await heard.promise; // the notice has reached b, before b's read has come back
    listening.close();
    held.open();
    const { record: ended, result } = await waiting;
    expect(ended).to.include({ status: "completed" });
    expect(result).to.not.equal(null);
  });

  describe("expiry without a sweeper", () => {
    async function serverNow(replica: Replica): Promise<number> {
      const [seconds, micros] = (await replica.open.redis.reads.time()) as unknown as [string, string];
      return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    }

    it("a result past its time is not replayed although nobody swept: the next request runs", async () => {
      const [a, b] = (await replicas(["a", "b"], { resultTtlMs: 30 })) as [Replica, Replica];
      const { record: first } = await a.run(await a.start({ scope: newScope() }));
      while ((await serverNow(a)) < first.expireAt!);
      const begun = await b.begin({ scope: first.scope });
      expect(begun.verdict).to.equal("start");
      expect(begun.record.epoch).to.be.greaterThan(first.epoch);
      expect(await readNow(a, first)).to.include({ status: "completed", supersededBy: begun.record.epoch });
    });

    it("a finished record and its payloads end by themselves at expireAt + tombstone + 1 h, but not while a mirror is pending", async () => {
      const policy = { resultTtlMs: 20_000, tombstoneMs: 7000, keepRequest: true };
      const [a] = (await replicas(["a"], policy)) as [Replica];
      const started = await a.start({ scope: newScope(), body: "kept" });
      const { partition, scope } = started;
      const { redis, keys } = a.open;
      const own = [keys.process, keys.result, keys.request].map((key) => key(partition, scope, null));
      const ends = () => Promise.all(own.map((key) => redis.reads.pexpiretime(key)));
      expect(await redis.reads.exists(own[0]!, own[2]!)).to.equal(2);
      expect((await ends()).filter((at) => at > 0)).to.deep.equal([]);
      const { record } = await a.run(started);
      const end = record.expireAt! + 7000 + 3_600_000;
      expect(await ends()).to.deep.equal([end, end, end]);
      expect(record.keepUntil).to.equal(end);

      const mirrored = await a.start({ scope: newScope(), body: "kept" });
      await redis.writes.hset(keys.process(mirrored.partition, mirrored.scope, null), "mirror", "pending");
      const pending = await a.run(Object.assign(mirrored, { mirror: "pending" }));
      const theirs = [keys.process, keys.result, keys.request].map((key) =>
        key(mirrored.partition, mirrored.scope, null),
      );
      expect(pending.record).to.include({ status: "completed", keepUntil: null });
      expect(await Promise.all(theirs.map((key) => redis.reads.pexpiretime(key)))).to.deep.equal([
        -1, -1, -1,
      ]);
      const done = await a.engine.processes.apply(pending.record, { type: "mirrored" });
      if (done.kind !== "applied") throw new Error(done.kind);
      const until = done.record.keepUntil!;
      expect(Math.abs(until - (pending.record.expireAt! + 7000 + 3_600_000))).to.be.lessThan(1000);
      expect(await Promise.all(theirs.map((key) => redis.reads.pexpiretime(key)))).to.deep.equal([
        until,
        until,
        until,
      ]);
    });
  });

  describe("a node that slept through its lease", () => {
    it("is refused by version and fence: the attempt that took over decides, and the sleeper learns that it lost", async () => {
      const onUnknown = { cut: "retry", timeout: "retry", lost: "retry", answered: "retry" } as const;
      const [a, s] = (await replicas(["deaf", "s"], { onUnknown }, 3)) as [Replica, Replica];
      const answers = [Promise.withResolvers<string>(), Promise.withResolvers<string>()] as const;
      upstream.respond(async (request, response) => {
        response.end(await answers[Number(request.headers.get("sticky-attempt")) - 1]!.promise);
      });
      const record = await a.start({ scope: newScope(), body: "x" });
      const sleeper = a.run(record, "x");
      await upstream.arrived(1);
      await ring(a, record); // its lease ends
      const sweeper = sweeperOn(s);
      await sweeper.tick(); // backs off
      await ring(a, record);
      await sweeper.tick(); // sends again
      await upstream.arrived(2);
      const [one, two] = upstream.requests.map((request) => Number(request.headers.get("sticky-fence")));
      expect(two).to.be.greaterThan(one!);
      answers[0].resolve("late answer of the sleeper");
      const { record: told, result } = await sleeper;
      expect(told).to.include({ attempt: 2, owner: "s", status: "in-progress" });
      expect(result).to.equal(null);
      answers[1].resolve("answer of the second attempt");
      await s.engine.executor.idle();
      expect(await storedText(a, record)).to.equal("answer of the second attempt");
      expect(await a.store.renew([{ ...record, owner: "deaf" }])).to.have.length(1);
    });

    it("finds its lease lost at the next renewal and aborts its request", async () => {
      const [a, s] = (await replicas(["deaf", "s"])) as [Replica, Replica];
      upstream.respond(() => undefined);
      const record = await a.start({ scope: newScope() });
      const sleeper = a.run(record);
      await upstream.arrived(1);
      await ring(a, record);
      await sweeperOn(s).tick();
      a.standStill(2 * record.leaseMs);
      await a.engine.watchdog.tick();
      expect((await sleeper).record).to.include({ status: "failed", executed: "unknown" });
      expect(a.lost).to.have.length(1);
    });

    it("sends nothing when it slept between its claim and its dispatch, and gives the process back as never sent", async () => {
      const [a] = (await replicas(["a"])) as [Replica];
      const held = a.store.hold("create", "after"); // Redis has created it; the node sleeps before it hears of it
      const starting = a.start({ scope: newScope() });
      await held.reached;
      a.standStill(29_000);
      held.open();
      const { record } = await a.run(await starting);
      expect(upstream.requests).to.have.length(0);
      expect(record).to.include({ status: "failed", executed: "no", released: true });
    });
  });
});
