import { expect } from "chai";
import { describeWithRedis, startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { Redis } from "ioredis";
import { sleep } from "@sticky-proxy/runtime";
import { MetaMismatch, openStore } from "@sticky-proxy/store";
import {
  connectRedis,
  createKeys,
  destroyConnection,
  openMeta,
  placeOf,
  verifyMeta,
} from "@sticky-proxy/store/testing";

describeWithRedis("connections and the cluster's own settings", () => {
  let server: TestRedis;
  before(async () => {
    server = await startRedis();
  });
  after(() => server.stop());

  it("connects, answers, and closes", async () => {
    const redis = connectRedis({ url: server.url });
    expect(await redis.ready(2000)).to.equal(true);
    expect(await redis.writes.ping()).to.equal("PONG");
    await redis.close();
    expect(redis.writes.status).to.equal("end");
  });

  it("a store that cannot be opened says where it was looked for and why it did not answer, without the password", async () => {
    const opened = openStore({
      target: { url: server.url.replace("redis://", "redis://nobody:hunter22@") },
      keyPrefix: "sp:",
      partitions: 4,
      timelineLength: 10,
      waitMs: 2000,
      onError: () => {},
    });
    const error = await opened.then(
      () => expect.fail("it opened"),
      (refused: Error) => refused,
    );
    expect(error.name, error.stack).to.equal("StoreUnreachable");
    expect(error.message).to.match(/^Redis at 127\.0\.0\.1:\d+ did not answer within 2 s: WRONGPASS /);
    expect(error.message).to.not.contain("hunter22");
  });

  it("a store whose Redis loads its data is waited for, and that it loads is told", async function () {
    this.timeout(60_000);
    const slow = await startRedis();
    const admin = new Redis(slow.url);
    for (let i = 0; i < 100; i += 1) await admin.set(`large:${i}`, "x".repeat(20_000));
    await admin.bgrewriteaof();
    while (!(await admin.info("persistence")).includes("aof_rewrite_in_progress:0")) await sleep(20);
    admin.disconnect();
    // 50 ms for each key, and an eye for connections meanwhile.
    await slow.kill("SIGTERM");
    const back = slow.restart({
      args: ["--key-load-delay", "50000", "--loading-process-events-interval-bytes", "1024"],
    });
    const early = new Redis(slow.url, { enableReadyCheck: false });
    early.on("error", () => {});
    while (!(await early.ping().catch((error: Error) => error.message)).startsWith("LOADING"))
      await sleep(10);
    early.disconnect();
    let told = 0;
    const store = await openStore({
      target: { url: slow.url },
      keyPrefix: "sp:",
      partitions: 4,
      timelineLength: 10,
      waitMs: 500,
      onError: () => {},
      onLoading: () => (told += 1),
    }).finally(() => back);
    expect(told).to.be.greaterThan(0);
    await store.close();
    await slow.stop();
  });

  it("where Redis is can be told in one line", () => {
    for (const [target, place] of [
      [{ url: "redis://user:pw@h" }, "h:6379"],
      [{ url: "redis://user:pw@h:123456" }, "h:123456"],
      [{ url: "rediss://h:6380/2" }, "h:6380"],
      [{ url: "unix:///run/redis.sock" }, "/run/redis.sock"],
      [{ url: "/run/redis.sock" }, "/run/redis.sock"],
      [{ sentinels: { name: "m", nodes: ["a:1", "b:2"], password: "pw" } }, "m of a:1, b:2"],
      [{ cluster: { nodes: ["a:1"] } }, "a:1"],
    ] as const)
      expect(placeOf(target)).to.equal(place);
  });

  it("an unanswered command fails within its time limit and is not sent again", async () => {
    const redis = connectRedis({ url: server.url }, { commandTimeoutMs: 200, onError: () => {} });
    await redis.ready(2000);
    server.pause();
    const write = await redis.writes.incr("once").catch((error: Error) => error);
    const read = await redis.reads.get("once").catch((error: Error) => error);
    server.resume();
    expect(write).to.be.instanceOf(Error);
    expect(read).to.be.instanceOf(Error);
    await redis.ready(2000);
    expect(await redis.writes.get("once")).to.equal("1");
    await redis.close();
  });

  it("a command in flight when the connection breaks is not sent again after reconnecting", async () => {
    const redis = connectRedis({ url: server.url }, { onError: () => {} });
    await redis.ready(2000);
    const admin = connectRedis({ url: server.url });
    await admin.ready(2000);
    const running = redis.writes.eval(
      "redis.call('INCR', KEYS[1]) local t = redis.call('TIME') repeat local n = redis.call('TIME') until (n[1]-t[1])*1e6+n[2]-t[2] > 200000 return 1",
      1,
      "slow",
    );
    const outcome = running.then(
      () => "answered",
      () => "failed",
    );
    destroyConnection(redis.writes);
    expect(await outcome).to.equal("failed");
    expect(await redis.ready(3000)).to.equal(true);
    expect(Number(await admin.writes.get("slow"))).to.be.at.most(1);
    await redis.close();
    await admin.close();
  });

  it("fails closed while Redis is away and comes back by itself", async () => {
    const redis = connectRedis({ url: server.url }, { onError: () => {} });
    await redis.ready(2000);
    await server.kill("SIGKILL");
    const refused = await redis.writes.ping().catch((error: Error) => error);
    expect(refused).to.be.instanceOf(Error);
    await server.restart();
    expect(await redis.ready(5000)).to.equal(true);
    expect(await redis.writes.ping()).to.equal("PONG");
    await redis.close();
  });

  it("the first node writes partition count and secret, later ones take them", async () => {
    const redis = connectRedis({ url: server.url });
    await redis.ready(2000);
    const keys = createKeys("meta1:");
    const first = await openMeta(redis.writes, keys, { partitions: 16 });
    const second = await openMeta(redis.writes, keys, { partitions: null });
    expect(second).to.deep.equal(first);
    expect(first.secret).to.have.length(32);
    await redis.close();
  });

  it("another partition count or schema is refused, and the message says what to do", async () => {
    const redis = connectRedis({ url: server.url });
    await redis.ready(2000);
    const keys = createKeys("meta2:");
    await openMeta(redis.writes, keys, { partitions: 16 });
    const other = await openMeta(redis.writes, keys, { partitions: 32 }).catch((error: Error) => error);
    expect(other).to.be.instanceOf(MetaMismatch);
    expect((other as Error).message).to.contain("16 partitions are stored, 32 are configured");
    await redis.writes.hset(keys.meta("settings"), "schema", "99");
    const newer = await openMeta(redis.writes, keys, { partitions: 16 }).catch((error: Error) => error);
    expect(newer).to.be.instanceOf(MetaMismatch);
    await redis.close();
  });

  it("after a loss of data a running node puts its own secret back", async () => {
    const redis = connectRedis({ url: server.url });
    await redis.ready(2000);
    const keys = createKeys("meta3:");
    const meta = await openMeta(redis.writes, keys, { partitions: 8 });
    await redis.writes.del(keys.meta("settings"));
    await verifyMeta(redis.writes, keys, meta);
    expect(await openMeta(redis.writes, keys, { partitions: null })).to.deep.equal(meta);
    await redis.close();
  });
});
