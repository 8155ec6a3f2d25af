import { asMonotonicMs } from "@sticky-proxy/protocol";
import { pieceBytes, type CacheStore, type StoredMetadata } from "@sticky-proxy/core/cache";
import {
  connectRedis,
  createCacheKeys,
  createRedisCacheStore,
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

  it("the least recently used responses are evicted beyond the byte budget", async () => {
    const small = createRedisCacheStore(connections, {
      keyPrefix: prefix,
      partitions: 1,
      maxCacheBytes: 25_000,
      silenceMs: 5000,
      firstSilenceMs: 5000,
    });
    for (let i = 0; i < 4; i++) {
      const writer = small.openBody(`k${i}`);
      await writer.append(Buffer.alloc(10_000));
      await writer.end();
      const { generation } = await small.begin(lease(`k${i}`), null);
      const kept = { ...metadata(generation, ["a"]), bodyId: writer.bodyId, bodyBytes: 10_000 };
      await small.commit({ lease: lease(`k${i}`), metadata: kept, replaces: null, maxVariants: 1 });
    }
    // It is trimmed behind the commit.
    for (let i = 0; (await small.totalBytes()) > 25_000; i++) expect(i).to.be.below(1000);
    expect((await small.lookup("k0", names)).stored).to.equal(null);
    expect((await small.lookup("k3", names)).stored).to.not.equal(null);
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

  it("bodies in transfer count towards memory: they stop at 80 % of it, before process state is refused", async () => {
    const used = Number(/used_memory:(\d+)/.exec(await connections.reads.info("memory"))?.[1]);
    await connections.reads.config("SET", "maxmemory", String(Math.round((used + 4_000_000) / 0.8)));
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

  it("stores nothing once the server has used 80 % of its memory", async () => {
    const used = Number(/used_memory:(\d+)/.exec(await connections.reads.info("memory"))?.[1]);
    await connections.reads.config("SET", "maxmemory", String(Math.round(used * 1.1)));
    try {
      const { generation } = await store.begin(lease("k"), null);
      const word = await store.commit({
        lease: lease("k"),
        metadata: metadata(generation, ["a"]),
        replaces: null,
        maxVariants: 1,
      });
      expect(word).to.equal("store-full");
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
