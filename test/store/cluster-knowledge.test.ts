/** What replicas learn from Redis and about Redis: registry, profile checks, incarnation, durability gate, notices. */
import { asScope, asMonotonicMs } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Redis } from "ioredis";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import { monotonic, sleep } from "@sticky-proxy/runtime";
import { createRegistry, openStore, profileCheck } from "@sticky-proxy/store";
import {
  connectRedis,
  createChanges,
  createIncarnation,
  createKeys,
  createProcessStore,
  destroyConnection,
  type Keys,
  openMeta,
  type RedisConnections,
} from "@sticky-proxy/store/testing";
import { describeWithRedis, startRedis, type TestRedis, uniquePrefix } from "@sticky-proxy/testkit";

const newId = (): string => randomBytes(16).toString("base64url");

function draft(partition: number) {
  return {
    partition,
    scope: asScope(newId()),
    fields: { service: "svc", status: "in-progress" as const, owner: "a" },
    spans: { wakeAt: 60_000 },
    request: null,
    writeId: newId(),
  };
}

describeWithRedis("what replicas know", () => {
  let server: TestRedis;
  let admin: Redis;
  let redis: RedisConnections;
  let keys: Keys;
  before(async () => {
    server = await startRedis();
    admin = new Redis(server.url);
    admin.on("error", () => {});
  });
  after(async () => {
    admin.disconnect();
    await server.stop();
  });
  beforeEach(async () => {
    redis = connectRedis({ url: server.url }, { onError: () => {} });
    await redis.ready(3000);
    keys = createKeys(uniquePrefix());
  });
  afterEach(() => redis.close());

  describe("the registry", () => {
    it("health reports are shared and forgotten", async () => {
      const registry = createRegistry({ redis, keys });
      const reports = new Map([["a:1", { state: "down" as const, reason: "refused", at: 5 }]]);
      await registry.publishHealth("svc", reports, 60_000);
      expect(await registry.health("svc")).to.deep.equal(reports);
      expect((await registry.health("other")).size).to.equal(0);
      await registry.publishHealth("svc", reports, 10);
      await sleep(30);
      expect((await registry.health("svc")).size).to.equal(0);
    });

    it("replicas stand in the list while their heart beats, and leave at once when they stop cleanly", async () => {
      const registry = createRegistry({ redis, keys });
      const replica = (id: string) => ({
        id,
        role: "proxy" as const,
        version: "1",
        config: "c",
        startedAt: 1,
      });
      await registry.heartbeat(replica("a"), 60_000);
      await registry.heartbeat(replica("b"), 60_000);
      await registry.heartbeat(replica("c"), 10);
      await sleep(30);
      expect((await registry.replicas()).map(({ id }) => id).sort()).to.deep.equal(["a", "b"]);
      await registry.leave("a");
      expect(await registry.replicas()).to.deep.equal([replica("b")]);
    });

    it("a pause holds for all, and a shorter one does not shorten it", async () => {
      const registry = createRegistry({ redis, keys });
      await registry.pause("svc", null, 60_000);
      await registry.pause("svc", null, 10);
      const [pause, ...more] = await registry.pauses(["svc", "other"]);
      expect(pause).to.include({ service: "svc", caller: null });
      expect(pause!.ms).to.be.within(50_000, 60_000);
      expect(more).to.deep.equal([]);
      await registry.pause("svc", null, 120_000);
      expect((await registry.pauses(["svc"]))[0]!.ms).to.be.greaterThan(60_000);
    });

    it("a caller's pause is told beside the service's, is not shortened, and ends", async () => {
      const registry = createRegistry({ redis, keys });
      await registry.pause("limited", "greedy", 60_000);
      await registry.pause("limited", "greedy", 1000);
      await registry.pause("limited", "brief", 10);
      await sleep(30);
      const pauses = await registry.pauses(["limited"]);
      expect(pauses.map(({ caller }) => caller)).to.deep.equal(["greedy"]);
      expect(pauses[0]!.ms).to.be.within(50_000, 60_000);
    });

    it("keys belong to the first installation that names itself, until it has not been there for the TTL", async () => {
      const registry = createRegistry({ redis, keys });
      expect(await registry.claimInstallation("shop", 60_000)).to.equal("shop");
      expect(await registry.claimInstallation("lab", 10)).to.equal("shop");
      expect(await redis.writes.pttl(keys.meta("installation")), "not shortened by another").to.be.above(
        50_000,
      );
      await registry.claimInstallation("shop", 20);
      while ((await registry.claimInstallation("lab", 60_000)) !== "lab") await sleep(5);
      expect(await registry.claimInstallation("shop", 10)).to.equal("lab");
    });

    it("an open breaker is told and forgotten instance by instance", async () => {
      const registry = createRegistry({ redis, keys });
      await registry.adviseOpen("svc", "a:1", 60_000);
      await registry.adviseOpen("svc", "b:1", 10);
      await sleep(30);
      expect([...(await registry.openBreakers("svc"))]).to.deep.equal(["a:1"]);
    });

    it("services with processes are known by name", async () => {
      const store = createProcessStore({ redis, keys, partitions: 4 });
      await store.create(draft(1), { withResult: false });
      await store.read({ partition: 1, scope: asScope(newId()), epoch: null }, { withResult: false });
      const registry = createRegistry({ redis, keys });
      while ((await registry.services()).length === 0) await sleep(5);
      expect(await registry.services()).to.deep.equal(["svc"]);
    });
  });

  describe("the profile check", () => {
    async function check(profile: "dev" | "standard" | "ha" = "standard") {
      const meta = await openMeta(redis.writes, keys, { partitions: 4 });
      return profileCheck({
        redis,
        keys,
        meta,
        profile,
        strict: false,
        wallClock: Date.now,
        confirm: null,
      });
    }

    it("a right Redis is ready, its canary leaves nothing, wrong settings are named while they last", async () => {
      const run = await check();
      expect(await run()).to.deep.include({ isReady: true, findings: [], sheds: false });
      expect(await admin.keys(`${keys.prefix}canary:*:x:*`)).to.deep.equal([]);
      await admin.config("SET", "appendfsync", "everysec");
      const wrong = await run();
      await admin.config("SET", "appendfsync", "always");
      expect(wrong.isReady).to.equal(false);
      expect(wrong.findings).to.deep.equal([
        { severity: "wrong", setting: "appendfsync", found: "everysec", cure: "set appendfsync always" },
      ]);
      expect((await run()).isReady).to.equal(true);
    });

    it("full memory sheds, another partition count refuses, an absent Redis is a finding and no exception", async () => {
      const run = await check();
      await admin.config("SET", "maxmemory", "1mb");
      const full = await run();
      await admin.config("SET", "maxmemory", "512mb");
      expect(full.sheds).to.equal(true);
      expect(full.findings.map(({ setting }) => setting)).to.include("canary");
      await admin.hset(keys.meta("settings"), "partitions", "9");
      const refused = await run();
      expect(refused.findings[0]).to.deep.include({
        severity: "refuse",
        setting: "partitions, schema, secret",
      });
      await admin.hset(keys.meta("settings"), "partitions", "4");
      destroyConnection(redis.writes);
      const away = await run();
      expect(away.isReady).to.equal(false);
      expect(away.findings[0]!.setting).to.equal("canary");
    });
  });

  describe("the incarnation rule", () => {
    function watching(profile: "standard" | "ha" | "ha+quorum") {
      const pauses: string[] = [];
      let now = 0;
      const incarnation = createIncarnation({
        redis,
        keys,
        profile,
        leaseMs: 800,
        clock: { monotonic: () => asMonotonicMs(now) },
        onPause: (why, ms) => pauses.push(`${why} ${ms}`),
      });
      const store = createProcessStore({ redis, keys, partitions: 4, incarnation });
      return { incarnation, store, pauses, pass: (ms: number) => (now += ms) };
    }

    it("a fence lower than one seen proves loss: only scopes with a record go on, for one lease", async () => {
      const { incarnation, store, pauses, pass } = watching("standard");
      const kept = draft(1);
      await store.create(kept, { withResult: false });
      await incarnation.check();
      expect(pauses).to.deep.equal([]);
      await admin.set(keys.fence(1), "5");
      await incarnation.check();
      expect(pauses).to.deep.equal(["data-lost 800"]);
      const refused = await store.create(draft(1), { withResult: false }).catch((error: unknown) => error);
      expect(refused).to.be.instanceOf(StoreUnavailable);
      expect((await store.create({ ...draft(1), scope: kept.scope }, { withResult: false })).kind).to.equal(
        "exists",
      );
      pass(801);
      expect((await store.create(draft(1), { withResult: false })).kind).to.equal("created");
      await incarnation.check();
      expect(pauses, "a loss is said once").to.have.length(1);
    });

    it("another server pauses claims under ha, not under standard or ha+quorum", async () => {
      const watchers = [watching("ha"), watching("standard"), watching("ha+quorum")];
      for (const { incarnation } of watchers) await incarnation.check();
      await server.restart();
      await redis.ready(5000);
      for (const { incarnation } of watchers) await incarnation.mayClaim();
      expect(watchers.map(({ pauses }) => pauses)).to.deep.equal([["another-server 800"], [], []]);
      expect(await watchers[0]!.incarnation.mayClaim()).to.equal(false);
    });
  });

  it("profile ha opens the store with a gate that refuses while there is no replica, standard without", async () => {
    const options = {
      target: { url: server.url },
      keyPrefix: uniquePrefix(),
      partitions: 4,
      timelineLength: 10,
      waitMs: 3000,
      onError: () => {},
    };
    const standard = await openStore(options);
    const ha = await openStore({ ...options, profile: "ha" });
    try {
      expect(standard.confirm).to.equal(null);
      const claimed = await ha.processes.create(draft(1), { withResult: false });
      if (claimed.kind !== "created") throw new Error(claimed.kind);
      const refused = await ha.confirm!(claimed.record).catch((error: unknown) => error);
      expect(refused, "there is no replica").to.be.instanceOf(StoreUnavailable);
      expect((refused as Error).message).to.contain("0 of 1 replicas");
    } finally {
      await standard.close();
      await ha.close();
    }
  });

  describe("change notices", () => {
    it("after the connection came back watchers are told to look, and hear the next change", async () => {
      const store = createProcessStore({ redis, keys, partitions: 4 });
      const changes = createChanges({ subscriber: redis.subscriber, keys, partitions: 4 });
      const answer = await store.create(draft(2), { withResult: false });
      const record = (answer as Extract<typeof answer, { kind: "created" }>).record;
      const heard = signalled();
      changes.watch(record, heard.tell);
      await heard.next();
      expect(changes.isLive()).to.equal(true);
      const lives: boolean[] = [];
      changes.onLive((isLive) => lives.push(isLive));
      const closed = once(redis.subscriber, "close");
      destroyConnection(redis.subscriber);
      await closed;
      expect(changes.isLive()).to.equal(false);
      await heard.next();
      expect(lives).to.deep.equal([false, true]);
      const change = { set: {}, spans: {}, mintFence: false, result: null, drop: [], entry: { event: "x" } };
      await store.commit(record, change, { ifDue: false, writeId: newId() });
      await heard.next();
    });

    it("watching everything tells which process changed to what", async () => {
      const store = createProcessStore({ redis, keys, partitions: 2 });
      const changes = createChanges({ subscriber: redis.subscriber, keys, partitions: 2 });
      const notices: unknown[] = [];
      const heard = signalled();
      changes.watchAll((notice) => {
        notices.push(notice);
        heard.tell();
      });
      while (!changes.isLive()) await sleep(5);
      const answer = await store.create(draft(1), { withResult: false });
      const record = (answer as Extract<typeof answer, { kind: "created" }>).record;
      await store.commit(
        record,
        {
          set: { status: "completed" },
          spans: {},
          mintFence: false,
          result: null,
          drop: [],
          entry: { event: "x" },
        },
        { ifDue: false, writeId: newId() },
      );
      await heard.next();
      const { partition, scope, epoch } = record;
      expect(notices).to.deep.equal([{ partition, scope, epoch, version: 2, status: "completed" }]);
    });
  });
});

/** Counts calls and lets a test wait for the next one. */
function signalled() {
  let told = 0;
  let taken = 0;
  let wake: () => void = () => {};
  return {
    tell() {
      told += 1;
      wake();
    },
    async next() {
      const startedAt = monotonic();
      while (told === taken) {
        if (monotonic() - startedAt > 5000) throw new Error("nothing was told");
        const waited = Promise.withResolvers<void>();
        wake = waited.resolve;
        await Promise.race([waited.promise, sleep(100)]);
      }
      taken = told;
    },
  };
}
