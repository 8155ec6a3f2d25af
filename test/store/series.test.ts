/** The time series in a real Redis: what nodes add, what charts read, and that it ends by itself. */
import { allServices, bucketStart, rings, type Changes } from "@sticky-proxy/core/series";
import { createSeries } from "@sticky-proxy/store";
import { connectRedis, createKeys, type Keys, type RedisConnections } from "@sticky-proxy/store/testing";
import { describeWithRedis, sharedRedisUrl, uniquePrefix } from "@sticky-proxy/testkit";
import { expect } from "chai";

const at = bucketStart(Date.now(), 600_000) + 70_000;
const changes = (values: Readonly<Record<string, Readonly<Record<string, number>>>>): Changes =>
  new Map(Object.entries(values).map(([service, counts]) => [service, new Map(Object.entries(counts))]));

describeWithRedis("time series in Redis", () => {
  let redis: RedisConnections;
  let keys: Keys;
  let series: ReturnType<typeof createSeries>;
  beforeEach(async () => {
    redis = connectRedis({ url: await sharedRedisUrl() }, { onError: () => {} });
    await redis.ready(30_000);
    keys = createKeys(uniquePrefix());
    series = createSeries({ redis, keys });
  });
  afterEach(() => redis.close());
  const read = async (stepMs: number, start: number, service: string): Promise<object | null> => {
    const [bucket] = await series.read(stepMs, [start], service);
    if (bucket == null) return null;
    const shown = [...bucket].filter(([name]) => name !== "writes" && !name.startsWith("by:"));
    return Object.fromEntries(shown);
  };
  const kept = async (): Promise<string[]> => {
    const found: string[] = [];
    let cursor = "0";
    do {
      const [next, names] = await redis.reads.scan(cursor, "MATCH", `${keys.prefix}*`, "COUNT", 1000);
      found.push(...names);
      cursor = next;
    } while (cursor !== "0");
    return found.sort();
  };

  it("adds up what nodes have counted, in every ring", async () => {
    await series.add("a", at, changes({ pay: { x: 2 }, [allServices]: { x: 2 } }));
    await series.add("b", at, changes({ pay: { x: 3, y: 1 }, [allServices]: { x: 3, y: 1 } }));
    await series.add("a", at + 10_000, changes({ pay: { x: 1 }, [allServices]: { x: 1 } }));
    expect(await read(10_000, at, "pay")).to.deep.equal({ x: 5, y: 1 });
    expect(await read(10_000, at + 10_000, "pay")).to.deep.equal({ x: 1 });
    for (const stepMs of [60_000, 600_000])
      for (const service of ["pay", allServices])
        expect(await read(stepMs, bucketStart(at, stepMs), service)).to.deep.equal({ x: 6, y: 1 });
  });

  it("a batch that is sent again, because its answer was lost, counts once", async () => {
    for (let i = 0; i < 2; i += 1) await series.add("a", at, changes({ pay: { x: 2 } }));
    expect(await read(10_000, at, "pay")).to.deep.equal({ x: 2 });
    expect(await read(600_000, bucketStart(at, 600_000), "pay")).to.deep.equal({ x: 2 });
  });

  it("of a gauge the greatest value stays", async () => {
    for (const [i, value] of [5, 40, 0].entries())
      await series.add("a", at + i * 10_000, changes({ pay: { "g.lag": value } }));
    expect(await read(60_000, bucketStart(at, 60_000), "pay")).to.deep.equal({ "g.lag": 40 });
    expect(await read(10_000, at + 20_000, "pay"), "zero is a value").to.deep.equal({ "g.lag": 0 });
  });

  it("a bucket that nobody wrote is null; one in which a service did nothing is empty", async () => {
    await series.add("a", at, changes({}));
    expect(await read(10_000, at, "pay")).to.deep.equal({});
    expect(await read(10_000, at, allServices)).to.deep.equal({});
    expect(await read(10_000, at + 10_000, "pay")).to.equal(null);
    expect(await read(10_000, at + 10_000, allServices)).to.equal(null);
  });

  it("ends by itself: every key lives as long as its ring keeps it", async () => {
    await series.add("a", at, changes({ pay: { x: 1 } }));
    const all = await kept();
    expect(all).to.have.length(2 * rings.length);
    for (const key of all) {
      const ring = rings.find(({ stepMs }) => key.includes(`:ts:${stepMs / 1000}:`))!;
      expect(await redis.reads.pttl(key)).to.be.within(ring.spanMs, ring.spanMs + ring.stepMs);
    }
  });

  it("a bucket of the counters there are is stored as a small list, not as a table", async () => {
    const many = Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`counter.${i}`, i + 1]));
    await series.add("a", at, changes({ pay: many }));
    const key = keys.meta(`ts:10:${at / 1000}:pay`);
    expect(await redis.reads.object("ENCODING", key)).to.equal("listpack");
  });
});
