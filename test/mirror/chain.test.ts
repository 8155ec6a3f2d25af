import { coverageWindow, type Differences } from "@sticky-proxy/core/mirror";
import { createDifferences, createMirrorChain } from "@sticky-proxy/store";
import { createKeys, connectRedis, unsealed } from "@sticky-proxy/store/testing";
import {
  describeWithRedis,
  sharedRedisUrl,
  testDifference,
  testIntent,
  uniquePrefix,
} from "@sticky-proxy/testkit";
import { verifyMirror, type Verified } from "@sticky-proxy/operations";
import { expect } from "chai";
import { Redis } from "ioredis";

describeWithRedis("the chain over difference records", function () {
  this.timeout(60_000);
  let differences: Differences;
  let verify: () => Promise<Verified>;
  let redis: Redis;
  let prefix: string;
  let close: () => Promise<void>;

  beforeEach(async () => {
    const url = await sharedRedisUrl();
    const connections = connectRedis({ url });
    expect(await connections.ready(30_000)).to.equal(true);
    prefix = uniquePrefix();
    const deps = { ...connections, keys: createKeys(prefix), partitions: 1, sealing: unsealed };
    differences = createDifferences(deps);
    const chain = createMirrorChain(deps);
    verify = () => verifyMirror({ chain });
    redis = new Redis(url);
    close = async () => {
      redis.disconnect();
      await connections.close();
    };
  });
  afterEach(() => close());

  const key = (kind: string): string => `${prefix}{p0}:${kind}`;
  const places = (): Promise<string[]> => redis.zrange(key("on"), 0, -1);

  async function observe(count: number, limits = { ttlMs: 600_000, maxDifferences: 500 }): Promise<void> {
    for (let i = 0; i < count; i++) {
      await differences.observe({
        service: "users",
        route: "POST /",
        orderKey: testIntent("k").orderKey,
        outcome: "different",
        count: 1,
        isCounted: false,
        window: coverageWindow(Date.now()),
        difference: testDifference({ processId: `p${i}` }),
        limits,
      });
    }
  }
  async function listed() {
    const all = { service: null, route: null, class: null, path: null, since: null, open: false };
    return (await differences.list({ ...all, limit: 100, cursor: null })).items;
  }

  it("holds over records and what was said about them, and each record carries the link before it", async () => {
    await observe(3);
    const [newest, middle, oldest] = await listed();
    await differences.acknowledge(middle!.id, "ann", "known");
    await differences.acknowledge(middle!.id, "bob", "too late");
    expect(await verify()).to.deep.equal({ links: 4, records: 3, unchained: 0, broken: [] });
    expect(oldest!.chain!.previous).to.equal("");
    expect(middle!.chain!.previous).to.equal(oldest!.chain!.link);
    expect(newest!.chain!.previous).to.equal(middle!.chain!.link);
  });

  it("records that gave way or whose time is over are missing by right", async () => {
    await observe(5, { ttlMs: 600_000, maxDifferences: 2 });
    expect(await verify()).to.deep.equal({ links: 5, records: 2, unchained: 0, broken: [] });
    await observe(1, { ttlMs: 0, maxDifferences: 500 });
    await observe(1);
    expect((await verify()).broken).to.deep.equal([]);
  });

  it("records of an older version are counted apart", async () => {
    await redis.hset(key("onr"), "1000", "{}");
    await observe(1);
    expect(await verify()).to.deep.equal({ links: 1, records: 2, unchained: 1, broken: [] });
  });

  const damage: readonly (readonly [
    what: string,
    how: (places: string[]) => Promise<unknown>,
    said: RegExp,
  ])[] = [
    [
      "a record that was changed",
      async ([first]) =>
        redis.hset(key("onr"), first!, (await redis.hget(key("onr"), first!))!.replace("p0", "p9")),
      /the record has been changed/,
    ],
    [
      "the oldest record taken out",
      async ([first]) => redis.hdel(key("onr"), first!),
      /the record has been taken out/,
    ],
    [
      "a record put in between",
      async ([first]) => redis.hset(key("onr"), String(Number(first) + 1), "{}"),
      /the record has been put in/,
    ],
    [
      "an acknowledgement by another name",
      async ([first]) => redis.hset(key("onr"), `a:${first!}`, '{"by":"bob"}'),
      /an acknowledgement has been changed/,
    ],
    [
      "an acknowledgement that nobody gave",
      async ([, second]) => redis.hset(key("onr"), `a:${second!}`, '{"by":"bob"}'),
      /an acknowledgement has been put in/,
    ],
    [
      "a record and its link taken out",
      async ([, second]) => {
        const [, link] = await redis.xrange(key("onc"), "-", "+");
        await redis.xdel(key("onc"), link![0]);
        await redis.hdel(key("onr"), second!);
      },
      /the link before it is another one/,
    ],
    [
      "the newest taken out with its link",
      async (all) => {
        const entries = await redis.xrange(key("onc"), "-", "+");
        for (const [id] of entries.slice(2)) await redis.xdel(key("onc"), id);
        await redis.hdel(key("onr"), all[2]!);
      },
      /the last link is not the head/,
    ],
  ];
  for (const [what, how, said] of damage) {
    it(`finds ${what}`, async () => {
      await observe(3);
      await differences.acknowledge((await listed())[2]!.id, "ann", "known");
      expect((await verify()).broken).to.deep.equal([]);
      await how(await places());
      expect((await verify()).broken.join("\n")).to.match(said);
    });
  }
});
