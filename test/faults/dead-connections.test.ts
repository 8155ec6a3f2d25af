/** Connections to Redis that are dead without saying so, and addresses that lead elsewhere after a fail-over. */
import { connectRedis, createLocks, type RedisConnections } from "@sticky-proxy/store/testing";
import { describeWithRedis, startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { startRelay, type Relay } from "./relay.ts";

const names = ["writes", "reads", "subscriber"] as const;
type Name = (typeof names)[number];

describeWithRedis("connections to Redis that are dead without saying so", function () {
  this.timeout(30_000);
  let server: TestRedis;
  let wire: Relay;
  let redis: RedisConnections;
  let errors: string[];
  before(async () => {
    server = await startRedis();
  });
  after(() => server.stop());
  beforeEach(async () => {
    wire = await startRelay(server.port);
    errors = [];
    redis = connectRedis({ url: wire.url }, { onError: (_, error) => void errors.push(error.message) });
    expect(await redis.ready(3000)).to.equal(true);
  });
  afterEach(async () => {
    server.resume();
    await redis.close();
    await wire.close();
  });

  /** The next time that each of them is ready; errors on the way are expected. */
  const nextReady = (...which: readonly Name[]): Promise<unknown> =>
    Promise.all(which.map((name) => new Promise((resolve) => redis[name].once("ready", resolve))));
  const allReady = (): Promise<unknown> => nextReady(...names);
  const runIdOf = async (name: "writes" | "reads"): Promise<string> =>
    /run_id:(\w+)/.exec(await redis[name].info("server"))![1]!;

  it("are given up one and all although nobody sends a command, and new ones are made", async () => {
    const back = allReady();
    wire.swallow();
    await back;
    expect(await redis.writes.set("k", "1")).to.equal("OK");
    expect(await redis.reads.get("k")).to.equal("1");
    expect(errors.filter((message) => message.includes("no byte from Redis"))).to.have.length(3);
  });

  it("are given up while commands wait on them, also when they fall silent while they are being made", async () => {
    wire.swallow({ newOnesToo: true });
    expect(await redis.writes.get("k").catch((error: Error) => error)).to.be.instanceOf(Error);
    while (errors.length < 9) await sleep(20); // each tried again, in vain
    const back = allReady();
    wire.swallow();
    await back;
    expect(await redis.writes.ping()).to.equal("PONG");
  });

  it("are told from quiet ones and from busy ones: a pinged connection stays", async () => {
    const sockets = names.map((name) => (redis[name] as { stream?: object }).stream);
    const received = (): number =>
      names.reduce(
        (sum, name) => sum + (redis[name] as unknown as { stream: { bytesRead: number } }).stream.bytesRead,
        0,
      );
    const before = received();
    while (received() < before + 50) await sleep(50); // several pongs
    expect(names.map((name) => (redis[name] as { stream?: object }).stream)).to.deep.equal(sockets);
    expect(errors).to.deep.equal([]);
  });

  it("take a lock no longer than until they are given up", async () => {
    const locks = createLocks({
      targets: [{ url: wire.url }],
      keyOf: (name) => `lock:${name}`,
      clock: { monotonic: () => performance.now() as never },
      sleep: async (ms, signal) =>
        sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {}),
      onError: () => {},
    });
    await (await locks.acquire("before", 6000))!.release();
    wire.swallow();
    let held = null;
    while (held === null) {
      await sleep(20);
      held = await locks.acquire("after", 6000).catch(() => null);
    }
    await held.release();
    await locks.close();
  });

  it("to a frozen primary are left for the new one, and nothing is written to the old one when it thaws", async () => {
    const successor = await startRedis();
    try {
      const back = allReady();
      server.pause();
      wire.leadTo(successor.port);
      await back;
      await redis.writes.set("after", "1");
      server.resume();
      for (let i = 0; i < 20; i += 1) await redis.writes.incr("count");
      const old = connectRedis({ url: server.url });
      await old.ready(3000);
      expect(await old.reads.mget("after", "count")).to.deep.equal([null, null]);
      await old.close();
    } finally {
      await successor.stop();
    }
  });

  it("all follow as soon as one of them has reached another server", async () => {
    const successor = await startRedis();
    try {
      const old = await runIdOf("reads");
      wire.leadTo(successor.port);
      const back = nextReady("writes", "subscriber");
      redis.reads.disconnect(true);
      await back;
      await redis.ready(3000);
      expect(await runIdOf("reads")).to.not.equal(old);
      expect(await runIdOf("writes")).to.equal(await runIdOf("reads"));
    } finally {
      await successor.stop();
    }
  });

  it("do not settle on a replica: its role is looked at before anything is sent", async () => {
    const replica = await startRedis({ args: ["--replicaof", "127.0.0.1", String(server.port)] });
    try {
      wire.leadTo(replica.port);
      wire.cut();
      while (errors.filter((message) => message.includes("slave")).length < 3) await sleep(20);
      expect(names.map((name) => redis[name].status)).to.not.include("ready");
      const back = allReady();
      wire.leadTo(server.port);
      await back;
      expect(await redis.writes.ping()).to.equal("PONG");
    } finally {
      await replica.stop();
    }
  });
});
