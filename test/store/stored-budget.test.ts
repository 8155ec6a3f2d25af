/** What one holder may store: counted with every write that makes, changes or removes a process. */
import { asMonotonicMs, asScope } from "@sticky-proxy/protocol";
import { HolderOverBudget, type Change, type Draft, type ProcessRecord } from "@sticky-proxy/core/process";
import {
  connectRedis,
  createHolders,
  createKeys,
  createProcessStore,
  createStoredBudget,
  type RedisConnections,
  type StoredLimits,
} from "@sticky-proxy/store/testing";
import { describeWithRedis, startRedis, uniquePrefix, type TestRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";

const recordBytes = 2048;
let ids = 0;
const newId = (): string => `id${(ids += 1)}`;

function draftOf(scope: string, holder: string, bytes: number | null): Draft {
  const id = newId();
  const request =
    bytes === null
      ? null
      : {
          head: { method: "POST", path: "/", query: null, headers: [] },
          key: null,
          body: Buffer.alloc(bytes),
        };
  return {
    partition: scope.charCodeAt(0) % 4,
    scope: asScope(scope),
    fields: {
      service: "s",
      status: "in-progress",
      phase: "forwarding",
      owner: "n",
      leaseMs: 60_000,
      holder,
      requestPayload: request === null ? null : id,
    },
    spans: { wakeAt: 60_000 },
    request,
    writeId: id,
  };
}

function changeOf(set: Change["set"], more: Partial<Change> = {}): Change {
  return { set, spans: {}, mintFence: false, result: null, drop: [], entry: { event: "changed" }, ...more };
}

describeWithRedis("what one holder stores", () => {
  let server: TestRedis;
  let redis: RedisConnections;
  before(async () => {
    server = await startRedis();
    redis = connectRedis({ url: server.url }, { onError: () => undefined });
    await redis.ready(5000);
  });
  after(async () => {
    await redis.close();
    await server.stop();
  });

  function world(limits: Partial<StoredLimits> = {}) {
    const keys = createKeys(uniquePrefix());
    const partitions = 4;
    const budget = createStoredBudget({
      redis,
      keys,
      partitions,
      limits: { storedBytes: null, storedProcesses: null, ...limits },
      clock: { monotonic: () => asMonotonicMs(performance.now()) },
    });
    const store = createProcessStore({ redis, keys, partitions, budget });
    const holders = createHolders(redis, keys, partitions);
    const create = async (
      scope: string,
      holder: string,
      bytes: number | null = null,
    ): Promise<ProcessRecord> => {
      const answer = await store.create(draftOf(scope, holder, bytes), { withResult: false });
      if (answer.kind === "late") throw new Error("late");
      return answer.record;
    };
    const commit = async (base: ProcessRecord, change: Change): Promise<ProcessRecord> => {
      const answer = await store.commit(base, change, { ifDue: false, writeId: newId() });
      if (answer.kind !== "committed") throw new Error(answer.kind);
      return answer.record;
    };
    const sums = async () =>
      (await holders.sums()).map(({ holder, bytes, processes }) => [holder, bytes, processes] as const);
    return { keys, store, holders, create, commit, sums };
  }
  const result = { status: 200, headers: [], body: Buffer.alloc(10_000) };

  it("counts record, request and result with the writes that bring them, and takes them back as they go", async () => {
    const { keys, store, create, commit, sums } = world();
    await create("a", "address:one");
    expect(await sums()).to.deep.equal([["address:one", recordBytes, 1]]);
    const kept = await create("b", "address:one", 5000);
    const [[, withRequest]] = (await sums()) as [readonly [string, number, number]];
    expect(withRequest).to.be.within(2 * recordBytes + 5000, 2 * recordBytes + 5200);
    const done = await commit(kept, changeOf({ resultPayload: "r1" }, { result, drop: ["request"] }));
    const [[, withResult]] = (await sums()) as [readonly [string, number, number]];
    expect(withResult).to.be.within(2 * recordBytes + 10_000, 2 * recordBytes + 10_200);
    const bare = await commit(done, changeOf({ resultPayload: null }, { drop: ["result"] }));
    expect(await sums()).to.deep.equal([["address:one", 2 * recordBytes, 2]]);
    expect(await store.purge(bare)).to.equal(true);
    expect(await sums()).to.deep.equal([["address:one", recordBytes, 1]]);
    expect(await redis.reads.hlen(keys.held(bare.partition)), "nothing is left of it").to.equal(0);
  });

  it("a superseded process and its successor count for their own holders", async () => {
    const { store, create, sums } = world();
    const first = await create("a", "address:one");
    const next = await store.supersede(
      first,
      changeOf({ status: "cancelled" }),
      draftOf("a", "address:two", null),
    );
    expect(next.kind).to.equal("committed");
    expect(await sums()).to.deep.equal([
      ["address:one", recordBytes, 1],
      ["address:two", recordBytes, 1],
    ]);
  });

  it("what has gone by its own expiry is taken back by the sweeper's look at its alarm", async () => {
    const { keys, store, create, sums } = world();
    const record = await create("a", "address:one");
    await redis.writes.zadd(keys.alarms(record.partition), 1, record.scope);
    await redis.writes.del(keys.process(record.partition, record.scope, null));
    await store.claimDue({ limit: 10, hideMs: 1000 });
    expect(await sums()).to.deep.equal([]);
  });

  it("nothing new of a holder is stored above its bound; what it has is found, and others store on", async () => {
    const { store, create, holders } = world({ storedProcesses: 3, storedBytes: 100_000 });
    for (const scope of ["a", "b", "c"]) await create(scope, "address:one");
    const fourth = await create("d", "address:one").catch((error: unknown) => error);
    expect(fourth).to.be.instanceOf(HolderOverBudget);
    expect((await create("a", "address:one")).scope, "joined").to.equal("a");
    await create("e", "address:two", 90_000);
    const large = await create("f", "address:two", 90_000).catch((error: unknown) => error);
    expect(large).to.be.instanceOf(HolderOverBudget);
    const places: string[] = [];
    for await (const { scope } of holders.places("address:one")) places.push(scope);
    expect(places.toSorted()).to.deep.equal(["a", "b", "c"]);
    expect(
      (await store.read({ partition: 0, scope: asScope("d"), epoch: null }, { withResult: false })).record,
    ).to.equal(null);
  });
});

describeWithRedis("what one holder stores on a Redis with little memory", () => {
  it("the largest holder is refused while others still store", async () => {
    const server = await startRedis();
    const redis = connectRedis({ url: server.url }, { onError: () => undefined });
    try {
      await redis.ready(5000);
      const used = Number(/used_memory:(\d+)/.exec(await redis.writes.info("memory"))![1]);
      await redis.writes.config("SET", "maxmemory", Math.ceil((used + 16_000_000) / 0.8));
      await redis.writes.config("SET", "maxmemory-policy", "noeviction");
      const keys = createKeys(uniquePrefix());
      let refusals = 0;
      const limits = { storedBytes: null, storedProcesses: null, onRefused: () => (refusals += 1) };
      let now = 0;
      const clock = { monotonic: () => asMonotonicMs((now += 1000)) }; // every figure is old: read again each time
      const budget = createStoredBudget({ redis, keys, partitions: 4, limits, clock });
      const store = createProcessStore({ redis, keys, partitions: 4, budget });
      let stored = 0;
      for (let i = 0; i < 40 && refusals === 0; i += 1) {
        await store.create(draftOf(`s${i}`, "address:large", 1_000_000), { withResult: false }).then(
          () => (stored += 1),
          () => undefined,
        );
      }
      expect(refusals).to.equal(1);
      expect(stored, "a good part of 16 MB").to.be.within(8, 15);
      const other = await store.create(draftOf("other", "address:small", 1000), { withResult: false });
      expect(other.kind).to.equal("created");
    } finally {
      await redis.close();
      await server.stop();
    }
  });
});
