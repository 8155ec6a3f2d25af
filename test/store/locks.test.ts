import { expect } from "chai";
import { monotonic, sleep, systemClock } from "@sticky-proxy/runtime";
import type { Locks } from "@sticky-proxy/store";
import { createLocks, LocksUnavailable } from "@sticky-proxy/store/testing";
import { describeWithRedis, startRedis, type TestRedis } from "@sticky-proxy/testkit";

describeWithRedis("locks", () => {
  const servers: TestRedis[] = [];
  const open: Locks[] = [];
  before(async () => {
    servers.push(...(await Promise.all([startRedis(), startRedis(), startRedis()])));
  });
  after(() => Promise.all(servers.map((server) => server.stop())));
  afterEach(async () => {
    for (const server of servers) server.resume();
    await Promise.all(open.splice(0).map((locks) => locks.close()));
  });

  function locksOn(count: number): Locks {
    const locks = createLocks({
      targets: servers.slice(0, count).map(({ url }) => ({ url })),
      keyOf: (name) => `t:${name}`,
      commandTimeoutMs: 200, // a tenth of a lock's life; a busy machine answers within it
      clock: systemClock,
      sleep,
      onError: () => {},
    });
    open.push(locks);
    return locks;
  }

  it("the first to ask waits for the connections instead of finding no quorum", async () => {
    const held = await locksOn(3).acquire("first", 2000);
    expect(held).to.not.equal(null);
    await held!.release();
  });

  it("one holds it, the next is refused, and gets it after the release", async () => {
    const [a, b] = [locksOn(3), locksOn(3)];
    const held = (await a.acquire("one", 2000))!;
    expect(await b.acquire("one", 2000)).to.equal(null);
    await held.release();
    const next = await b.acquire("one", 2000);
    expect(next).to.not.equal(null);
    await next!.release();
  });

  it("renews by itself beyond its ttl", async () => {
    const [a, b] = [locksOn(3), locksOn(3)];
    const held = (await a.acquire("long", 2000))!;
    await sleep(2600);
    expect(held.signal.aborted).to.equal(false);
    expect(await b.acquire("long", 2000)).to.equal(null);
    await held.release();
  });

  it("is not lost because most nodes were silent at one renewal", async () => {
    const locks = locksOn(3);
    const held = (await locks.acquire("hiccup", 3000))!;
    servers[0]!.pause();
    servers[1]!.pause();
    await sleep(1200); // the renewal at 1000 ms finds no quorum, the lock is safe until 2700
    expect(held.signal.aborted).to.equal(false);
    servers[0]!.resume();
    servers[1]!.resume();
    await sleep(2000);
    expect(held.signal.aborted).to.equal(false);
    await held.release();
  });

  it("aborts its holder when most nodes are gone, before the lock could be another's", async () => {
    const locks = locksOn(3);
    const held = (await locks.acquire("lost", 2000))!;
    servers[0]!.pause();
    servers[1]!.pause();
    try {
      const startedAt = monotonic();
      while (!held.signal.aborted) {
        await sleep(20);
        if (monotonic() - startedAt > 5000) throw new Error("the holder was never told");
      }
    } finally {
      servers[0]!.resume();
      servers[1]!.resume();
    }
    await held.release();
  });

  it("one silent node of three does no harm, two are an error within the time limit, not a hang", async () => {
    const locks = locksOn(3);
    servers[2]!.pause();
    try {
      const held = await locks.acquire("quorum", 2000);
      expect(held).to.not.equal(null);
      await held!.release();
      servers[1]!.pause();
      const error = await locks.acquire("quorum", 2000).catch((cause: unknown) => cause);
      expect(error).to.be.instanceOf(LocksUnavailable);
    } finally {
      servers[1]!.resume();
      servers[2]!.resume();
    }
  });

  it("the quorum guard wants three nodes and an odd number", async () => {
    const one = locksOn(1);
    const refused = await one.withQuorumLock("x", 2000, async () => 1).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(RangeError);
    expect(() =>
      createLocks({ targets: [{}, {}], keyOf: String, clock: systemClock, sleep, onError: () => {} }),
    ).to.throw(RangeError);
  });

  it("the quorum guard runs the work once, says when another holds it, and lets go after a failure", async () => {
    const [a, b] = [locksOn(3), locksOn(3)];
    const other = await a.withQuorumLock("guard", 2000, async () =>
      b.withQuorumLock("guard", 2000, async () => 2),
    );
    expect(other).to.deep.equal({ value: null });
    const failed = await a
      .withQuorumLock("guard", 2000, () => Promise.reject(new Error("work")))
      .catch((error: Error) => error.message);
    expect(failed).to.equal("work");
    expect(await b.withQuorumLock("guard", 2000, async () => 3)).to.deep.equal({ value: 3 });
  });

  it("a lock shorter than its commands' time limits is refused", async () => {
    const locks = locksOn(1);
    expect(await locks.acquire("short", 300).catch((error: unknown) => error)).to.be.instanceOf(RangeError);
  });

  it("of two nodes one leads; when it stops the other follows", async () => {
    const [a, b] = [locksOn(1), locksOn(1)];
    const leading: string[] = [];
    const changed = Promise.withResolvers<void>();
    const stop = { a: new AbortController(), b: new AbortController() };
    const work = (name: string) => async (signal: AbortSignal) => {
      leading.push(name);
      if (leading.length === 2) changed.resolve();
      await sleep(60_000, signal);
    };
    const first = a.lead("leader", 2000, stop.a.signal, work("a"));
    while (leading.length === 0) await sleep(10);
    const second = b.lead("leader", 2000, stop.b.signal, work("b"));
    await sleep(300);
    expect(leading).to.deep.equal(["a"]);
    stop.a.abort();
    await changed.promise;
    expect(leading).to.deep.equal(["a", "b"]);
    stop.b.abort();
    await Promise.all([first, second]);
  });
});
