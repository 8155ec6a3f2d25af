import { asMonotonicMs } from "@sticky-proxy/protocol";
import { CacheUnavailable, pieceBytes, type CacheStore, type StoredMetadata } from "@sticky-proxy/core/cache";
import {
  connectRedis,
  createCacheKeys,
  createRedisCacheStore,
  type RedisCacheOptions,
  type RedisConnections,
} from "@sticky-proxy/store/testing";
import { describeWithRedis, startRedis, type TestRedis, uniquePrefix } from "@sticky-proxy/testkit";
import { expect } from "chai";

const partitions = 4;

function metadata(generation: number, selectors: readonly string[]): StoredMetadata {
  return {
    url: "u",
    status: 200,
    headers: [],
    bodyId: null,
    bodyBytes: 0,
    varyNames: [],
    variant: "",
    selectors,
    generation,
    responseAt: 0,
    initialAgeMs: 0,
    lifetimeMs: 60_000,
    lifetimeFrom: "max-age",
    dateAt: 0,
    noCache: false,
    neverStale: false,
    staleWhileRevalidateMs: null,
    staleIfErrorMs: null,
    sharedWithAuthorization: false,
    retainMs: 60_000,
  };
}

describeWithRedis("the cache's store in Redis", () => {
  let redis: TestRedis;
  let connections: RedisConnections;
  let prefix: string;
  let store: CacheStore;

  before(async () => {
    redis = await startRedis({ args: ["--appendonly", "no"] });
    connections = connectRedis({ url: redis.url });
    await connections.ready(5000);
  });
  beforeEach(() => {
    prefix = uniquePrefix();
    const quiet = { silenceMs: 5000, firstSilenceMs: 5000 };
    store = createRedisCacheStore(connections, { keyPrefix: prefix, partitions, ...quiet });
  });
  after(async () => {
    await connections.close();
    await redis.stop();
  });

  const names = () => "";
  const lease = (key: string) => ({ key, flight: "", token: null });
  async function put(key: string, selectors: readonly string[] = ["a"]): Promise<void> {
    const { generation } = await store.begin(lease(key), null);
    const kept = metadata(generation, selectors);
    const word = await store.commit({ lease: lease(key), metadata: kept, replaces: null, maxVariants: 16 });
    expect(word).to.equal("stored");
  }
  async function commandsOf(work: () => Promise<unknown>): Promise<number> {
    const count = async () =>
      Number(/total_commands_processed:(\d+)/.exec(await connections.reads.info("stats"))?.[1] ?? NaN);
    const before = await count();
    await work();
    return (await count()) - before;
  }

  it("a purge of 10 and of 100,000 stored responses costs the same number of commands", async () => {
    const purges = [
      () => store.purge("t:few", false),
      () => store.purge("a", true),
      () => store.drop("k1", false),
    ];
    for (const purge of purges) await purge(); // loads the scripts
    for (let i = 0; i < 10; i++) await put(`k${i}`, ["a", "t:few"]);
    const few = [];
    for (const purge of purges) few.push(await commandsOf(purge));

    const keys = createCacheKeys(prefix, partitions);
    const generations = new Map<number, number>();
    for (let i = 0; generations.size < partitions; i++) {
      generations.set(keys.partitionOf(`m${i}`), (await store.begin(lease(`m${i}`), null)).generation);
    }
    for (let batch = 0; batch < 100; batch++) {
      const pipeline = connections.writes.pipeline();
      for (let i = 0; i < 1000; i++) {
        const key = `m${batch * 1000 + i}`;
        const index = JSON.stringify([{ i: "", n: "", b: "", z: 0, u: Date.now() + 600_000 }]);
        const packed = JSON.stringify(metadata(generations.get(keys.partitionOf(key)) ?? 0, ["a", "t:few"]));
        pipeline.hset(keys.entry(key), "v", index, "m:", packed, "s:", "a\nt:few", "r", "1");
      }
      await pipeline.exec();
    }
    await put("k1", ["a", "t:few"]);
    for (const key of ["m7", "m99999"]) expect((await store.lookup(key, names)).stored).to.not.equal(null);
    const many = [];
    for (const purge of purges) many.push(await commandsOf(purge));
    expect(many).to.deep.equal(few);
    for (const key of ["m7", "m99999", "k1"]) expect((await store.lookup(key, names)).stored).to.equal(null);
  }).timeout(60_000);

  it("C2: when the generations are lost, nothing stored before is reused", async () => {
    const keys = createCacheKeys(prefix, partitions);
    await put("k");
    await connections.writes.del(keys.generations(keys.partitionOf("k")));
    expect((await store.lookup("k", names)).stored).to.equal(null);
    const { generation } = await store.begin(lease("k"), null);
    expect((await store.lookup("k", names)).stored).to.equal(null);
    expect(generation).to.be.above(0);
    await put("k");
    expect((await store.lookup("k", names)).stored).to.not.equal(null);
  });

  it("every key it writes has an expiry, except the bounded counts", async () => {
    const writer = store.openBody("k");
    await writer.append(Buffer.alloc(300_000));
    await writer.end();
    await store.begin({ key: "k", flight: "f", token: "t" }, 60_000);
    await store.markUnshareable("other", "no-store", 5000);
    await put("k");
    await store.drop("gone", true);
    await store.purge("t:x", false);
    const all = await connections.reads.keys(`${prefix}*`);
    expect(all.length).to.be.above(6);
    for (const key of all) {
      if (/\{c\d+\}:[iyt]$/.test(key)) continue;
      expect(await connections.reads.pttl(key), key).to.be.above(0);
    }
  });

  /** Stores a response with such a body. @returns whether it is stored */
  async function fill(into: CacheStore, key: string, bytes: number, holder = ""): Promise<boolean> {
    const writer = into.openBody(key, holder, bytes);
    const { generation } = await into.begin(lease(key), null);
    try {
      for (let rest = bytes; rest > 0; rest -= pieceBytes)
        await writer.append(Buffer.alloc(Math.min(rest, pieceBytes)));
      await writer.end();
      const kept = { ...metadata(generation, ["a"]), bodyId: writer.bodyId, bodyBytes: bytes };
      const options = { lease: lease(key), metadata: kept, replaces: null, maxVariants: 1, holder };
      if ((await into.commit(options)) === "stored") return true;
    } catch (error) {
      if (!(error instanceof CacheUnavailable)) throw error;
    }
    await writer.abandon();
    return false;
  }

  /** Bytes that the server holds under the prefix. */
  async function taken(): Promise<number> {
    const all = await connections.reads.keys(`${prefix}*`);
    const sizes = await Promise.all(
      all.map((key) => connections.reads.call("MEMORY", "USAGE", key) as Promise<number | null>),
    );
    return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  }

  const bounded = (maxCacheBytes: number, over: Partial<RedisCacheOptions> = {}): CacheStore =>
    createRedisCacheStore(connections, {
      keyPrefix: prefix,
      partitions,
      maxCacheBytes,
      silenceMs: 5000,
      firstSilenceMs: 5000,
      ...over,
    });

  const isStored = async (key: string): Promise<boolean> => (await store.lookup(key, names)).stored !== null;

  it("the least recently used responses are evicted, so that new ones are always stored in the end", async () => {
    let now = 0;
    const small = bounded(400_000, { clock: { monotonic: () => asMonotonicMs((now += 5)) } });
    const fresh = (i: number): Promise<boolean> => fill(small, `k${i}`, 10_000);
    let tried = 0;
    // It is trimmed behind the writes, and what was evicted stands for its readers for a moment.
    for (let stored = 0; stored < 60; tried += 1) {
      expect(tried, "tries").to.be.below(20_000);
      if (await fresh(stored)) stored += 1;
    }
    expect(await isStored("k0")).to.equal(false);
    expect(await isStored("k59")).to.equal(true);
  }).timeout(60_000);

  for (const [what, bytes, max] of [
    ["small ones", 3000, 6_000_000],
    ["bodies of one piece and a bit", 70_000, 6_000_000],
    ["bodies of many pieces", 700_000, 20_000_000],
  ] as const)
    it(`several nodes that fill the store at once keep to the bound: ${what}`, async () => {
      const nodes = Array.from({ length: 4 }, () => bounded(max));
      let most = 0;
      for (let round = 0; round < 6; round += 1) {
        await Promise.all(
          nodes.flatMap((node, n) =>
            Array.from({ length: 25 }, (_, i) => fill(node, `r${round}-n${n}-${i}`, bytes, `address:${n}`)),
          ),
        );
        most = Math.max(most, await taken());
      }
      // Bodies that came at once may all have been refused for one another's sake; their room is free again for the next.
      for (const end = performance.now() + 30_000; most <= max / 2 && performance.now() < end;) {
        for (const [n, node] of nodes.entries())
          await fill(node, `after-${performance.now()}`, bytes, `address:${n}`);
        most = Math.max(most, await taken());
      }
      expect(most).to.be.within(max / 2, max * 1.1);
    }).timeout(60_000);

  it("counts what the server takes, not the bodies' bytes", async () => {
    for (const [i, bytes] of [0, 500, 20_000, 65_536, 70_000, 200_000, 300_000, 1_000_000].entries())
      expect(await fill(store, `k${i}`, bytes)).to.equal(true);
    const counted = await store.totalBytes();
    expect((await taken()) / counted).to.be.within(0.6, 1.1);
  });

  it("who has its share stores no more, and is evicted itself; others still find room", async () => {
    let now = 0;
    const clock = { monotonic: () => asMonotonicMs((now += 5)) };
    const small = bounded(1_000_000, { partitions: 1, clock });
    for (let i = 0; i < 5; i += 1)
      expect(await fill(small, `calm-${i}`, 10_000, "address:calm")).to.equal(true);
    let refused = 0;
    for (let i = 0; i < 400; i += 1)
      if (!(await fill(small, `flood-${i}`, 10_000, "address:flood"))) refused += 1;
    expect(refused).to.be.above(0);
    for (let i = 0; i < 5; i += 1) expect((await small.lookup(`calm-${i}`, names)).stored).to.not.equal(null);
    for (let i = 5; i < 8; i += 1)
      for (let tried = 0; !(await fill(small, `calm-${i}`, 10_000, "address:calm")); tried += 1)
        expect(tried, "tries").to.be.below(20_000);
  }).timeout(60_000);

  it("counts of a holder go with what it stored", async () => {
    const keys = createCacheKeys(prefix, 1);
    const one = bounded(1_000_000, { partitions: 1 });
    const counts = async (): Promise<Record<string, string>> => {
      const found = await connections.reads.hgetall(keys.sizes(0));
      return Object.fromEntries(Object.entries(found).filter(([field]) => field.startsWith("#")));
    };
    await fill(one, "k", 10_000, "address:a");
    const first = await counts();
    expect(first["#address:a"]).to.equal(first["#"]);
    await fill(one, "k", 20_000, "address:b");
    const second = await counts();
    expect(Object.keys(second).toSorted()).to.deep.equal(["#", "#address:b"]);
    expect(second["#address:b"]).to.equal(second["#"]);
    await one.drop("k", false);
    expect(await counts()).to.deep.equal({ "#": "0" });
  });

  it("a commit sent right after the last bytes finds them, also in a store that was idle for long", async () => {
    let now = 0;
    const idle = createRedisCacheStore(connections, {
      keyPrefix: prefix,
      partitions,
      clock: { monotonic: () => asMonotonicMs(now) },
    });
    for (let i = 0; i < 3; i++, now += 3_600_000) {
      const writer = idle.openBody(`idle-${i}`);
      await writer.append(Buffer.alloc(10));
      const { generation } = await idle.begin(lease(`idle-${i}`), null);
      const ended = writer.end();
      const kept = { ...metadata(generation, ["a"]), bodyId: writer.bodyId, bodyBytes: 10 };
      const options = { lease: lease(`idle-${i}`), metadata: kept, replaces: null, maxVariants: 1 };
      expect(await idle.commit(options)).to.equal("stored");
      await ended;
    }
  });

  it("bodies in transfer count towards memory: they stop at 60 % of it, before process state is squeezed", async () => {
    const used = Number(/used_memory:(\d+)/.exec(await connections.reads.info("memory"))?.[1]);
    await connections.reads.config("SET", "maxmemory", String(Math.round((used + 4_000_000) / 0.6)));
    try {
      const patient = { silenceMs: 5000, firstSilenceMs: 5000 };
      const other = createRedisCacheStore(connections, { keyPrefix: prefix, partitions, ...patient });
      const writers = Array.from({ length: 10 }, (_, i) => other.openBody(`body-${i}`));
      const ends = await Promise.allSettled(writers.map((writer) => writer.append(Buffer.alloc(1_000_000))));
      const failed = ends.filter((end) => end.status === "rejected");
      expect(failed).to.not.have.lengthOf(0);
      for (const { reason } of failed) expect((reason as Error).message).to.contain("memory is full");
      const written = writers.reduce((sum, { writtenPieces }) => sum + writtenPieces * pieceBytes, 0);
      expect(written).to.be.within(1_000_000, 7_000_000);
      await Promise.all(writers.map((writer) => writer.abandon()));
    } finally {
      await connections.reads.config("SET", "maxmemory", "512mb");
    }
  });

  it("stores nothing once the server has used 60 % of its memory", async () => {
    const used = Number(/used_memory:(\d+)/.exec(await connections.reads.info("memory"))?.[1]);
    await connections.reads.config("SET", "maxmemory", String(Math.round(used * 1.6)));
    try {
      // What comes before the first look is little, and is stored.
      for (let tried = 0; await fill(store, `k${tried}`, 1000); tried += 1)
        expect(tried, "tries").to.be.below(10_000);
      expect(await fill(store, "after", 0)).to.equal(false);
    } finally {
      await connections.reads.config("SET", "maxmemory", "512mb");
    }
  });

  it("a look-up costs one round trip when the names of Vary are known, and two before", async () => {
    const trips = async (work: () => Promise<unknown>): Promise<number> => {
      const count = async () =>
        Number(/cmdstat_evalsha:calls=(\d+)/.exec(await connections.reads.info("commandstats"))?.[1] ?? NaN);
      const before = await count();
      await work();
      return (await count()) - before;
    };
    const { generation } = await store.begin(lease("k"), null);
    const kept = { ...metadata(generation, ["a"]), varyNames: ["x"], variant: "v" };
    await store.commit({ lease: lease("k"), metadata: kept, replaces: null, maxVariants: 1 });
    const quiet = { silenceMs: 5000, firstSilenceMs: 5000 };
    const other = createRedisCacheStore(connections, { keyPrefix: prefix, partitions, ...quiet });
    const select = (by: readonly string[]) => (by.includes("x") ? "v" : "");
    const look = async () => expect((await other.lookup("k", select)).stored).to.not.equal(null);
    expect([await trips(look), await trips(look)]).to.deep.equal([2, 1]);
  });
});
