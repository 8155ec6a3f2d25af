/** What only a real Redis can show: stopped servers, lost scripts, full memory, lost data, clusters, costs. */
import { asScope } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { type Change, type Draft, type ProcessRecord, StoreUnavailable } from "@sticky-proxy/core/process";
import {
  connectRedis,
  createChanges,
  createKeys,
  createProcessStore,
  destroyConnection,
  type Keys,
  type RedisConnections,
  type RedisProcessStore,
} from "@sticky-proxy/store/testing";
import { describeWithRedis, startRedis, type TestRedis, uniquePrefix } from "@sticky-proxy/testkit";
import { startRedisCluster } from "../support/redis-cluster.ts";

const newId = (): string => randomBytes(16).toString("base64url");

function draftOf(
  given: { scope?: string; partition?: number; fields?: Draft["fields"]; wakeMs?: number } = {},
): Draft {
  return {
    partition: given.partition ?? 3,
    scope: asScope(given.scope ?? newId()),
    fields: {
      service: "svc",
      status: "in-progress",
      phase: "forwarding",
      owner: "a",
      leaseMs: 60_000,
      ...given.fields,
    },
    spans: { wakeAt: given.wakeMs ?? 60_000, startedAt: 0 },
    request: null,
    writeId: newId(),
  };
}

function changeOf(set: Change["set"], more: Partial<Change> = {}): Change {
  return { set, spans: {}, mintFence: false, result: null, drop: [], entry: { event: "changed" }, ...more };
}

async function failure(work: Promise<unknown>): Promise<Error | null> {
  return work.then(
    () => null,
    (error: unknown) => error as Error,
  );
}

describeWithRedis("the process store on a Redis in trouble", () => {
  let server: TestRedis;
  let admin: Redis;
  let redis: RedisConnections;
  let keys: Keys;
  let store: RedisProcessStore;
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
    redis = connectRedis({ url: server.url }, { commandTimeoutMs: 250, onError: () => {} });
    await redis.ready(3000);
    keys = createKeys(uniquePrefix());
    store = createProcessStore({ redis, keys, partitions: 8 });
  });
  afterEach(() => redis.close());

  async function created(draft: Draft = draftOf()): Promise<ProcessRecord> {
    const answer = await store.create(draft, { withResult: false });
    if (answer.kind !== "created") throw new Error(`expected a new process, got ${answer.kind}`);
    return answer.record;
  }

  it("a create that a stopped Redis runs too late does nothing", async () => {
    await created(); // the server's clock is known
    const draft = draftOf();
    server.pause();
    const error = await failure(store.create(draft, { withResult: false }));
    await delay(100);
    server.resume();
    expect(error).to.be.instanceOf(StoreUnavailable);
    expect(store.unacknowledgedCreates).to.equal(1);
    const after = await store.read({ ...draft, epoch: null }, { withResult: false });
    expect(after.record).to.equal(null);
    await delay(250);
    await store.settleUnacknowledgedCreates();
    expect(store.unacknowledgedCreates).to.equal(0);
    expect(await admin.exists(keys.process(draft.partition, draft.scope, null))).to.equal(0);
  });

  it("a create that ran although its answer was lost is released as never sent", async () => {
    await created();
    const draft = draftOf();
    // Holds the connection's replies back: the server works, we hear nothing.
    const node = redis.writes as Redis;
    node.stream.pause();
    const error = await failure(store.create(draft, { withResult: false }));
    expect(error).to.be.instanceOf(StoreUnavailable);
    destroyConnection(node);
    await redis.ready(3000);
    expect((await store.read({ ...draft, epoch: null }, { withResult: false })).record?.status).to.be.oneOf([
      "in-progress",
      "failed",
    ]);
    await store.settleUnacknowledgedCreates();
    const { record } = await store.read({ ...draft, epoch: null }, { withResult: false });
    expect(record).to.deep.include({
      status: "failed",
      executed: "no",
      released: true,
      owner: null,
      version: 2,
    });
    expect(store.unacknowledgedCreates).to.equal(0);
  });

  it("a commit whose answer was lost is recognised as its own, and takes effect once", async () => {
    await store.purge(await created()); // every script is loaded by now
    const record = await created();
    const node = redis.writes as Redis;
    node.stream.pause();
    const committing = store.commit(record, changeOf({ reason: "mine" }, { mintFence: true }), {
      ifDue: false,
      writeId: "write-1",
    });
    await delay(80); // the server has run it by now
    const stands = await store.read(record, { withResult: false });
    expect(stands.record).to.deep.include({ version: 2, lastWrite: "write-1" });
    destroyConnection(node);
    const answer = await committing;
    expect(answer.kind).to.equal("committed");
    expect(answer.record).to.deep.equal(stands.record);
  });

  it("a commit with Redis stopped fails as unavailable, and the process stays as it was or as committed", async () => {
    const record = await created();
    server.pause();
    const error = await failure(
      store.commit(record, changeOf({ reason: "x" }), { ifDue: false, writeId: "w" }),
    );
    server.resume();
    expect(error).to.be.instanceOf(StoreUnavailable);
    const { record: stands } = await store.read(record, { withResult: false });
    expect(stands!.version).to.be.oneOf([1, 2]);
  });

  it("of a backlog the newest are handed out beside the oldest, and one partition's backlog holds up no other's", async () => {
    const make = async (partition: number, wakeMs: number) => {
      const answer = await store.create(draftOf({ partition, wakeMs }), { withResult: false });
      return answer.kind === "created" ? answer.record.scope : "";
    };
    const old: string[] = [];
    for (let i = 0; i < 120; i += 1) old.push(await make(3, -1_000_000 + i));
    const [newest, elsewhere] = [await make(3, -1000), await make(1, -1000)];
    const { due } = await store.claimDue({ limit: 20, hideMs: 60_000 });
    const scopes: string[] = due.map(({ scope }) => scope);
    expect(scopes).to.have.length(20);
    expect(new Set(scopes).size, "each once").to.equal(20);
    expect(scopes).to.include.members([newest, elsewhere]);
    expect(scopes.filter((scope) => old.slice(0, 14).includes(scope)).length, "the oldest").to.be.at.least(7);
    for (let left = 122 - 20; left > 0; left -= 20)
      expect((await store.claimDue({ limit: 20, hideMs: 60_000 })).due).to.have.length(Math.min(left, 20));
    expect((await store.claimDue({ limit: 20, hideMs: 60_000 })).due).to.have.length(0);
  });

  it("scripts that the server has forgotten are loaded again", async () => {
    const record = await created();
    await admin.script("FLUSH");
    const answer = await store.commit(record, changeOf({ reason: "x" }), { ifDue: false, writeId: "w" });
    expect(answer.kind).to.equal("committed");
    await admin.script("FLUSH");
    expect((await store.read(record, { withResult: false })).record?.version).to.equal(2);
    await admin.script("FLUSH");
    expect(await store.claimDue({ limit: 10, hideMs: 1000 })).to.deep.include({ due: [] });
  });

  it("a reply that belongs to another request is not believed, and its connection is destroyed", async () => {
    const one = await created();
    const two = await created();
    const node = redis.reads as Redis;
    // Puts the connection out of step: a command that the client does not know of gets a reply.
    node.stream.write(
      command(
        "EVAL",
        "return {ARGV[1], 'other', 'record', 1, {'epoch', '1', 'version', '99'}}",
        "0",
        one.scope,
      ),
    );
    const wrong = await failure(store.read(two, { withResult: false }));
    expect(wrong).to.be.instanceOf(StoreUnavailable);
    expect((wrong as Error).message).to.contain("belongs to another request");
    await redis.ready(3000);
    expect((await store.read(two, { withResult: false })).record).to.deep.equal(two);
  });

  it("full memory: new work is refused, finished work is kept, replayed and deleted", async () => {
    const record = await created();
    const full = await created();
    const result = { status: 200, headers: [], body: randomBytes(2000) };
    await store.commit(full, changeOf({ status: "completed", resultPayload: "r" }, { result }), {
      ifDue: false,
      writeId: "w",
    });
    await admin.config("SET", "maxmemory", "1mb");
    try {
      expect(await failure(store.create(draftOf(), { withResult: true }))).to.be.instanceOf(StoreUnavailable);
      expect(store.unacknowledgedCreates, "a refusal is an answer").to.equal(0);
      const refused = await failure(store.supersede(full, changeOf({}), draftOf({ scope: full.scope })));
      expect(refused).to.be.instanceOf(StoreUnavailable);

      const done = await store.commit(
        record,
        changeOf({ status: "completed", owner: null, resultPayload: "r" }, { result }),
        { ifDue: false, writeId: "w2" },
      );
      expect(done.kind).to.equal("committed");
      expect(await store.renew([{ ...full, owner: "a", leaseMs: 1000 }])).to.deep.equal([]);
      const replay = await store.create(draftOf({ scope: record.scope }), { withResult: true });
      expect(replay.kind).to.equal("exists");
      expect(
        Buffer.from((replay as { result: { body: Uint8Array } }).result.body).equals(result.body),
      ).to.equal(true);
      expect(await store.purge(done.record!)).to.equal(true);
    } finally {
      await admin.config("SET", "maxmemory", "512mb");
    }
  });

  it("shedding refuses new claims and goes on with what has a record", async () => {
    let isShedding = false;
    store = createProcessStore({ redis, keys, partitions: 8, sheds: () => isShedding });
    const record = await created();
    isShedding = true;
    const refused = await failure(store.create(draftOf(), { withResult: true }));
    expect(refused).to.be.instanceOf(StoreUnavailable);
    const joined = await store.create(draftOf({ scope: record.scope }), { withResult: true });
    expect(joined).to.deep.include({ kind: "exists", record });
    isShedding = false;
    await created();
  });

  it("fences keep rising when the data is lost", async () => {
    const before = await created();
    const dispatched = await store.commit(before, changeOf({}, { mintFence: true }), {
      ifDue: false,
      writeId: "w",
    });
    await admin.del(keys.fence(3), keys.process(3, before.scope, null));
    const after = await created(draftOf({ scope: before.scope }));
    expect(after.epoch).to.be.greaterThan(dispatched.record!.fence);
  });

  it("a fence never falls behind one that lies ahead of the clock", async () => {
    const ahead = Date.now() * 1000 + 3_600_000_000;
    await admin.set(keys.fence(3), String(ahead));
    const record = await created();
    expect(record.epoch).to.equal(ahead + 1);
    expect((await created()).epoch).to.equal(ahead + 2);
  });

  it("survives kill -9 and a restart: what was acknowledged is there", async () => {
    const records: ProcessRecord[] = [];
    for (let i = 0; i < 20; i += 1) records.push(await created());
    await server.kill("SIGKILL");
    expect(await failure(store.create(draftOf(), { withResult: false }))).to.be.instanceOf(StoreUnavailable);
    await server.restart();
    expect(await redis.ready(5000)).to.equal(true);
    for (const record of records) {
      expect((await store.read(record, { withResult: false })).record).to.deep.equal(record);
    }
  });

  it("the keys of a finished process end with keepUntil although nobody sweeps, and leave no trace once its alarm rings", async () => {
    const service = `svc-${newId()}`;
    const draft = {
      ...draftOf({ fields: { service, requestPayload: "q" } }),
      request: {
        head: { method: "POST", path: "/", query: null, headers: [] },
        key: null,
        body: Buffer.from("x"),
      },
    };
    const record = await created(draft);
    await store.commit(
      record,
      changeOf(
        { status: "completed", owner: null, resultPayload: "r", deadLetter: "upstream" },
        {
          result: { status: 200, headers: [], body: Buffer.from("x") },
          spans: { keepUntil: 30, wakeAt: 10 },
        },
      ),
      { ifDue: false, writeId: "w" },
    );
    const p = draft.partition;
    const own = [
      keys.process(p, draft.scope, null),
      keys.result(p, draft.scope, null),
      keys.request(p, draft.scope, null),
    ];
    expect(await admin.exists(...own)).to.equal(3);
    await delay(60);
    expect(await admin.exists(...own)).to.equal(0);
    expect((await store.claimDue({ limit: 10, hideMs: 1000 })).due).to.deep.equal([]);
    expect(await admin.zcard(keys.alarms(p))).to.equal(0);
    expect(await admin.zcard(keys.deadLetters(p))).to.equal(0);
    expect(await store.count(service)).to.deep.include({ completed: 0 });
  });

  it("a renewal of a thousand leases is one command per partition and loses only the lost", async () => {
    const patient = connectRedis({ url: server.url }, { commandTimeoutMs: 8000 });
    await patient.ready(3000);
    store = createProcessStore({ redis: patient, keys, partitions: 8 });
    const records = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => created(draftOf({ partition: i % 8 }))),
    );
    const lost = records.filter((_, i) => i % 100 === 7);
    for (const record of lost) {
      await store.commit(record, changeOf({ owner: "b" }), { ifDue: false, writeId: newId() });
    }
    const before = await calls(admin);
    const answer = await store.renew(records.map((record) => ({ ...record, owner: "a" })));
    const used = difference(before, await calls(admin));
    expect(answer.map(({ scope }) => scope).sort()).to.deep.equal(lost.map(({ scope }) => scope).sort());
    expect((used["evalsha"] ?? 0) + (used["eval"] ?? 0)).to.equal(8);
    await patient.close();
  });

  it("round trips: new execution 2, replay 1, poll 1", async () => {
    await store.purge(await created()); // every script is loaded
    const monitor = await admin.monitor();
    let sent: string[] = [];
    monitor.on("monitor", (_time, args: string[], source: string) => {
      if (source !== "lua") sent.push(args[0]!.toLowerCase());
    });
    const trips = async (work: () => Promise<unknown>): Promise<readonly string[]> => {
      sent = [];
      await work();
      const marker = `marker${newId()}`;
      await Promise.all([
        new Promise<void>((resolve) => {
          monitor.on("monitor", (_time, args: string[]) => args[1] === marker && resolve());
        }),
        admin.echo(marker),
      ]);
      return sent.slice(0, -1);
    };
    const draft = draftOf();
    let record: ProcessRecord | null = null;
    const execution = await trips(async () => {
      record = await created(draft);
      await store.commit(
        record,
        changeOf(
          { status: "completed", owner: null, resultPayload: "r" },
          { result: { status: 200, headers: [], body: Buffer.from("x") } },
        ),
        { ifDue: false, writeId: "w" },
      );
    });
    expect(execution).to.deep.equal(["evalsha", "evalsha"]);
    expect(
      await trips(() => store.create(draftOf({ scope: draft.scope }), { withResult: true })),
    ).to.deep.equal(["evalsha"]);
    expect(await trips(() => store.read(record!, { withResult: false }))).to.deep.equal(["evalsha"]);
    monitor.disconnect();
  });
});

describeWithRedis("the process store with 100,000 processes", () => {
  it("looking for what is due touches each partition once, and only what is due is read", async function () {
    this.timeout(60_000);
    const server = await startRedis({ args: ["--appendonly", "no"] });
    const redis = connectRedis({ url: server.url }, { commandTimeoutMs: 20_000 });
    await redis.ready(3000);
    const admin = new Redis(server.url);
    const partitions = 64;
    const store = createProcessStore({ redis, keys: createKeys("sp:"), partitions });
    for (let start = 0; start < 100_000; start += 2000) {
      await Promise.all(
        Array.from({ length: 2000 }, (_, i) =>
          store.create(draftOf({ partition: (start + i) % partitions, wakeMs: 3_600_000 }), {
            withResult: false,
          }),
        ),
      );
    }
    const bytes = /used_memory:(\d+)/.exec(await admin.info("memory"))![1]!;
    await store.claimDue({ limit: 100, hideMs: 60_000 });
    let before = await calls(admin);
    expect((await store.claimDue({ limit: 100, hideMs: 60_000 })).due).to.have.length(0);
    const idle = difference(before, await calls(admin));
    expect(idle, "nothing due: one look at each partition's first alarm, and the clock").to.deep.equal({
      zrange: partitions,
      time: 1,
    });

    for (let i = 0; i < 10; i += 1)
      await store.create(draftOf({ partition: i, wakeMs: 0 }), { withResult: false });
    await store.claimDue({ limit: 1, hideMs: 0 });
    await delay(5);
    before = await calls(admin);
    const { due } = await store.claimDue({ limit: 100, hideMs: 60_000 });
    const used = difference(before, await calls(admin));
    expect(due).to.have.length(10);
    expect(used["zadd"], "one hidden alarm each").to.equal(10);
    expect(used["hgetall"], "one record each").to.equal(10);
    expect(used["zrange"]).to.equal(partitions + 10);

    before = await calls(admin);
    const page = await store.list({
      service: "svc",
      status: "in-progress",
      olderThanMs: null,
      limit: 50,
      cursor: null,
    });
    expect(page.items).to.have.length(50);
    const listed = difference(before, await calls(admin));
    expect(listed["zrange"]).to.equal(partitions);
    expect(listed["hgetall"]).to.equal(50);
    process.stdout.write(
      `      100,000 processes: ${Math.round(Number(bytes) / 100_000)} bytes each; idle sweep ${JSON.stringify(idle)}; 10 due ${JSON.stringify(used)}\n`,
    );
    admin.disconnect();
    await redis.close();
    await server.stop();
  });
});

describeWithRedis("the process store on Redis Cluster", () => {
  it("every script declares its keys, all in one slot; notices arrive by sharded channels", async function () {
    this.timeout(20_000);
    const cluster = await startRedisCluster(1);
    const redis = connectRedis({ cluster: { nodes: cluster.nodes } }, { onError: () => {} });
    expect(await redis.ready(5000)).to.equal(true);
    const keys = createKeys("sp:");
    const partitions = 8;
    const store = createProcessStore({ redis, keys, partitions });
    const changes = createChanges({ subscriber: redis.subscriber, keys, partitions });

    const records = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const answer = await store.create(
          draftOf({ partition: i % partitions, wakeMs: i < 8 ? 0 : 60_000 }),
          { withResult: true },
        );
        return (answer as { record: ProcessRecord }).record;
      }),
    );
    const watched = Promise.withResolvers<void>();
    changes.watch(records[20]!, () => watched.resolve());
    await watched.promise; // the subscription stands
    const woken = Promise.withResolvers<void>();
    changes.watch(records[20]!, () => woken.resolve());
    const { record } = await store.commit(records[20]!, changeOf({ reason: "x" }, { mintFence: true }), {
      ifDue: false,
      writeId: "w",
    });
    await woken.promise;
    const { record: next } = await store.supersede(
      record!,
      changeOf({ status: "cancelled" }),
      draftOf({ scope: record!.scope, partition: record!.partition }),
    );
    expect((await store.read(record!, { withResult: true })).record?.supersededBy).to.equal(next!.epoch);
    expect(await store.renew(records.slice(21).map((each) => ({ ...each, owner: "a" })))).to.deep.equal([]);
    expect((await store.claimDue({ limit: 100, hideMs: 1000 })).due).to.have.length(8);
    expect(await store.purge(next!)).to.equal(true);
    expect(
      (
        await store.list({
          service: "svc",
          status: "in-progress",
          olderThanMs: null,
          limit: 100,
          cursor: null,
        })
      ).items,
    ).to.have.length(39);
    expect((await store.count("svc")).cancelled).to.equal(1);
    await store.note(records[0]!, { event: "late" });
    expect((await store.timeline(records[0]!)).map(({ event }) => event)).to.deep.equal(["created", "late"]);
    const { partition, scope, epoch, attempt } = records[0]!;
    const holder = { partition, scope, epoch, attempt };
    expect(await store.holdJob("svc", "job", [holder], [], 1000)).to.equal(true);
    expect(await store.jobHolders("svc", "job")).to.deep.equal([holder]);

    await redis.close();
    await cluster.stop();
  });

  it("a process that has birth and a plain answer writes no timeline; another one's is cut at its length and ends with it", async () => {
    const server = await startRedis();
    const redis = connectRedis({ url: server.url }, { onError: () => {} });
    expect(await redis.ready(5000)).to.equal(true);
    const store = createProcessStore({ redis, keys: createKeys("sp:"), partitions: 1, timelineLength: 10 });
    const lists = () => redis.reads.keys("sp:{p0}:l:*");
    const answer = await store.create(draftOf({ partition: 0 }), { withResult: false });
    const end = changeOf({ status: "completed", executed: "yes", httpStatus: 200, instance: "a" });
    const { record } = await store.commit(
      (answer as { record: ProcessRecord }).record,
      {
        ...end,
        spans: { endedAt: 0, expireAt: 5000, keepUntil: 60_000 },
        entry: { event: "responded", status: "completed", executed: "yes" },
      },
      { ifDue: false, writeId: "w" },
    );
    expect(await lists()).to.deep.equal([]);
    expect((await store.timeline(record!)).map(({ event }) => event)).to.deep.equal(["created", "responded"]);
    for (let i = 0; i < 30; i += 1) await store.note(record!, { event: "late-report", n: String(i) });
    const [list] = await lists();
    expect(await redis.reads.llen(list!)).to.equal(10);
    const told = await store.timeline(record!);
    expect(told.map(({ event }) => event).slice(0, 3)).to.deep.equal(["created", "responded", "late-report"]);
    expect(told.at(-1)).to.include({ n: "29" });
    expect(await redis.reads.pexpiretime(list!), "ends with its record").to.equal(record!.keepUntil);
    await redis.close();
    await server.stop();
  });

  it("a primary that is killed and restarted serves its partitions again, with what was acknowledged", async function () {
    this.timeout(30_000);
    const cluster = await startRedisCluster(3);
    const redis = connectRedis({ cluster: { nodes: cluster.nodes } }, { onError: () => {} });
    expect(await redis.ready(5000)).to.equal(true);
    const partitions = 16;
    const store = createProcessStore({ redis, keys: createKeys("sp:"), partitions });
    const everywhere = (): Promise<PromiseSettledResult<ProcessRecord>[]> =>
      Promise.allSettled(
        Array.from({ length: partitions }, async (_, partition) => {
          const answer = await store.create(draftOf({ partition }), { withResult: false });
          return (answer as { record: ProcessRecord }).record;
        }),
      );
    const before = (await everywhere()).map((each) => (each as PromiseFulfilledResult<ProcessRecord>).value);
    expect(before.every((record) => record !== undefined)).to.equal(true);

    await cluster.servers[1]!.kill("SIGKILL");
    const refused = (await everywhere()).filter(({ status }) => status === "rejected");
    expect(refused.length, "its partitions fail closed").to.be.greaterThan(0);
    for (const each of refused) {
      expect((each as PromiseRejectedResult).reason).to.be.instanceOf(StoreUnavailable);
    }
    await cluster.servers[1]!.restart();
    while ((await everywhere()).some(({ status }) => status === "rejected")) await delay(100);
    for (const record of before) {
      expect((await store.read(record, { withResult: false })).record).to.deep.equal(record);
    }
    await redis.close();
    await cluster.stop();
  });
});

/** A command as RESP, to write behind the client's back. */
function command(...parts: string[]): string {
  return `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join("")}`;
}

/** Calls by command so far, those made by scripts included. */
async function calls(admin: Redis): Promise<Record<string, number>> {
  const stats = await admin.info("commandstats");
  return Object.fromEntries(
    [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name, count]) => [name, Number(count)]),
  );
}

function difference(before: Record<string, number>, after: Record<string, number>): Record<string, number> {
  const { info: _, ...changed } = Object.fromEntries(
    Object.entries(after)
      .map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
  return changed;
}
