import { setTimeout as delay } from "node:timers/promises";
import type { Migrations } from "@sticky-proxy/core/mirror";
import { createMigrations, openStore, type OpenStore } from "@sticky-proxy/store";
import { describeWithRedis, startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";

describeWithRedis("the state of a migration in Redis", function () {
  this.timeout(60_000);
  let redis: TestRedis;
  let store: OpenStore;
  let migrations: Migrations;

  before(async () => {
    redis = await startRedis();
    store = await openStore({
      target: { url: redis.url },
      keyPrefix: "sp:",
      partitions: null,
      timelineLength: 10,
      waitMs: 30_000,
      onError: () => undefined,
    });
    migrations = createMigrations({ ...store.redis, keys: store.keys, partitions: store.meta.partitions });
  });
  after(async () => {
    await store.close();
    await redis.stop();
  });

  const second = { authority: "second", phase: "dual-write" } as const;

  it("a change holds for the state that its caller has seen", async () => {
    expect(await migrations.read("a")).to.deep.equal({ state: null, barrier: null });
    expect(await migrations.setPhase("a", 0, { authority: "first", phase: "dual-read" })).to.equal("changed");
    expect(await migrations.setPhase("a", 0, { authority: "first", phase: "off" })).to.equal("stale");
    const { state } = await migrations.read("a");
    expect(state).to.deep.include({ epoch: 1, authority: "first", phase: "dual-read" });
    expect(state!.since).to.be.greaterThan(1_700_000_000_000);
  });

  it("below a barrier nothing else changes; the flip is its holder's, and lifts it", async () => {
    expect(await migrations.raise("b", 0, "t", 60_000)).to.equal("changed");
    expect((await migrations.read("b")).barrier!.token).to.equal("t");
    expect(await migrations.raise("b", 0, "u", 60_000)).to.equal("stale");
    expect(await migrations.setPhase("b", 0, { authority: "first", phase: "off" })).to.equal("stale");
    expect(await migrations.flip("b", 0, "u", second)).to.equal("stale");
    expect(await migrations.flip("b", 0, "t", second)).to.equal("changed");
    const { state, barrier } = await migrations.read("b");
    expect(barrier).to.equal(null);
    expect(state).to.deep.include({ epoch: 1, ...second });
  });

  it("a barrier that is about to fall takes no flip, falls by itself, and another's word does not lift it", async () => {
    await migrations.raise("c", 0, "t", 1500);
    expect(await migrations.flip("c", 0, "t", second)).to.equal("stale");
    await migrations.lift("c", "u");
    expect((await migrations.read("c")).barrier).to.not.equal(null);
    while ((await migrations.read("c")).barrier !== null) await delay(50);
    expect(await migrations.raise("c", 0, "u", 60_000)).to.equal("changed");
    await migrations.lift("c", "u");
    expect((await migrations.read("c")).barrier).to.equal(null);
  });

  it("each node has one word, its last, until it leaves", async () => {
    await migrations.report("d", { node: "n", barrier: "", writes: 3 });
    await migrations.report("d", { node: "n", barrier: "t", writes: 0 });
    await migrations.report("d", { node: "m", barrier: "", writes: 1 });
    const views = await migrations.views("d");
    expect(views.map(({ node, barrier, writes }) => [node, barrier, writes])).to.have.deep.members([
      ["n", "t", 0],
      ["m", "", 1],
    ]);
    await migrations.leave("d", "n");
    expect((await migrations.views("d")).map(({ node }) => node)).to.deep.equal(["m"]);
  });
});
