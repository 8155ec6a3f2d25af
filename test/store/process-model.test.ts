/** Random commands, current and outdated versions among them, on Redis and on the memory store side by side. */
import { asScope } from "@sticky-proxy/protocol";
import { expect } from "chai";
import fc from "fast-check";
import type { Redis } from "ioredis";
import type { Change, Draft, ProcessRecord, ProcessStore } from "@sticky-proxy/core/process";
import { createMemoryStore, type MemoryStore } from "@sticky-proxy/core/testing";
import {
  connectRedis,
  createKeys,
  createProcessStore,
  type RedisConnections,
} from "@sticky-proxy/store/testing";
import { describeWithRedis, sharedRedisUrl, uniquePrefix } from "@sticky-proxy/testkit";

/** Far beyond the run, so that "due" means wakeAt 0 on both clocks. */
const later = 3_600_000;
const services = ["a", "b"] as const;
const statuses = ["pending", "in-progress", "completed", "failed", "cancelled"] as const;

interface Real {
  readonly redis: ProcessStore;
  readonly memory: MemoryStore;
  /** Every version of every process that was seen, on both sides. */
  readonly seen: { readonly redis: ProcessRecord; readonly memory: ProcessRecord }[];
  readonly counters: { commands: number };
  next: number;
}
type Model = Record<string, never>;

const scopeOf = (n: number): string => `scope-${n}-`.padEnd(22, "x");

/** What must be equal on both sides; times and fences are each store's own. */
function shape(record: ProcessRecord | null): unknown {
  if (record === null) return null;
  const { epoch, fence, createdAt, updatedAt, ...rest } = record;
  const times = Object.fromEntries(
    Object.entries(rest).map(([name, value]) => [
      name,
      name.endsWith("At") && value !== null ? "set" : value,
    ]),
  );
  return {
    ...times,
    hasBorn: createdAt > 0 && updatedAt >= createdAt,
    hasDispatched: fence > epoch,
    supersededBy: rest.supersededBy !== null,
    rerunOf: rest.rerunOf !== null,
  };
}

class Step implements fc.AsyncCommand<Model, Real> {
  readonly #name: string;
  readonly #run: (real: Real) => Promise<void>;
  constructor(name: string, run: (real: Real) => Promise<void>) {
    this.#name = name;
    this.#run = run;
  }
  check(): boolean {
    return true;
  }
  async run(_: Model, real: Real): Promise<void> {
    real.counters.commands += 1;
    await this.#run(real);
  }
  toString(): string {
    return this.#name;
  }
}

function draftOf(real: Real, n: number, service: string, isDue: boolean): Draft {
  const writeId = `w${(real.next += 1)}`;
  return {
    partition: n % 2,
    scope: asScope(scopeOf(n)),
    fields: { service, status: "in-progress", owner: "node", leaseMs: later, requestPayload: writeId },
    spans: { wakeAt: isDue ? 0 : later },
    request: {
      head: { method: "POST", path: "/", query: null, headers: [] },
      key: null,
      body: Buffer.from(writeId),
    },
    writeId,
  };
}

const arbitraryScope = fc.nat({ max: 3 });
const arbitraryChange = fc.record({
  status: fc.constantFrom(...statuses),
  owner: fc.constantFrom("node", "other", null),
  deadLetter: fc.constantFrom("upstream" as const, null),
  expired: fc.boolean(),
  wake: fc.constantFrom("due", "later", "none", "same"),
  mint: fc.boolean(),
  result: fc.constantFrom("keep", "set", "drop"),
  dropsRequest: fc.boolean(),
});
type GivenChange = typeof arbitraryChange extends fc.Arbitrary<infer T> ? T : never;

function changeOf(real: Real, given: GivenChange): Change {
  const { status, owner, deadLetter, expired, wake, mint, result, dropsRequest } = given;
  const id = `r${(real.next += 1)}`;
  return {
    set: {
      status,
      owner,
      deadLetter,
      expired,
      ...(result === "set" ? { resultPayload: id } : result === "drop" ? { resultPayload: null } : {}),
      ...(dropsRequest ? { requestPayload: null } : {}),
    },
    spans: wake === "same" ? {} : { wakeAt: wake === "none" ? null : wake === "due" ? 0 : later },
    mintFence: mint,
    result: result === "set" ? { status: 200, headers: [["A", id]], body: Buffer.from(id) } : null,
    drop: [
      ...(result === "drop" ? (["result"] as const) : []),
      ...(dropsRequest ? (["request"] as const) : []),
    ],
    entry: { event: "changed" },
  };
}

function remember(real: Real, redis: ProcessRecord | null, memory: ProcessRecord | null): void {
  expect(shape(redis)).to.deep.equal(shape(memory));
  if (redis !== null && memory !== null) real.seen.push({ redis, memory });
}

/** Both sides of some process at some version, old ones too; null when nothing was seen yet. */
function pick(real: Real, at: number): Real["seen"][number] | null {
  return real.seen.length === 0 ? null : real.seen[at % real.seen.length]!;
}

async function compareResult(real: Real, base: Real["seen"][number]): Promise<void> {
  const redis = await real.redis.read(base.redis, { withResult: true });
  const memory = await real.memory.read(base.memory, { withResult: true });
  expect(shape(redis.record)).to.deep.equal(shape(memory.record));
  const text = (side: typeof redis): unknown =>
    side.result === null ? null : [side.result.headers, Buffer.from(side.result.body).toString()];
  // The memory store keeps a result that its record no longer names; a reader has no business with it.
  expect(text(redis)).to.deep.equal(memory.record?.resultPayload == null ? null : text(memory));
}

/** I5: records, payloads, alarms and lists agree one to one; nothing is left over. */
async function agree(
  redis: RedisConnections,
  prefix: string,
  records: readonly ProcessRecord[],
): Promise<void> {
  const names = await (redis.reads as Redis).keys(`${prefix}*`);
  const kind = (letter: string): number => names.filter((name) => name.includes(`}:${letter}:`)).length;
  const members = async (set: (name: string) => boolean): Promise<number> => {
    const sizes = await Promise.all(names.filter(set).map((name) => redis.reads.zcard(name)));
    return sizes.reduce((sum, size) => sum + size, 0);
  };
  const having = (test: (record: ProcessRecord) => boolean): number => records.filter(test).length;
  expect({
    records: kind("x"),
    results: kind("b"),
    requests: kind("q"),
    alarms: await members((name) => name.endsWith("}:t")),
    listed: await members((name) => name.includes("}:i:")),
    dead: await members((name) => name.endsWith("}:d")),
  }).to.deep.equal({
    records: records.length,
    results: having(({ resultPayload }) => resultPayload !== null),
    requests: having(({ requestPayload }) => requestPayload !== null),
    alarms: having(({ wakeAt }) => wakeAt !== null),
    listed: having(({ expired }) => !expired),
    dead: having(({ deadLetter }) => deadLetter !== null),
  });
}

const commands = [
  fc.tuple(arbitraryScope, fc.constantFrom(...services), fc.boolean()).map(
    ([n, service, isDue]) =>
      new Step(`create ${n}`, async (real) => {
        const draft = draftOf(real, n, service, isDue);
        const redis = await real.redis.create(draft, { withResult: false });
        const memory = await real.memory.create(draft, { withResult: false });
        expect(redis.kind).to.equal(memory.kind);
        if (redis.kind !== "late" && memory.kind !== "late") remember(real, redis.record, memory.record);
      }),
  ),
  fc.tuple(fc.nat(), arbitraryChange, fc.boolean()).map(
    ([at, given, ifDue]) =>
      new Step(`commit #${at} ${JSON.stringify(given)}`, async (real) => {
        const base = pick(real, at);
        if (base === null) return;
        const change = changeOf(real, given);
        const options = { ifDue, writeId: `c${(real.next += 1)}` };
        const redis = await real.redis.commit(base.redis, change, options);
        const memory = await real.memory.commit(base.memory, change, options);
        expect(redis.kind).to.equal(memory.kind);
        remember(real, redis.record, memory.record);
      }),
  ),
  fc.tuple(fc.nat(), arbitraryChange, fc.constantFrom(...services)).map(
    ([at, given, service]) =>
      new Step(`supersede #${at}`, async (real) => {
        const base = pick(real, at);
        if (base === null) return;
        const closing = { ...changeOf(real, { ...given, result: "keep" }), mintFence: false };
        const n = Number(base.redis.scope.split("-")[1]);
        const draft = draftOf(real, n, service, false);
        const redis = await real.redis.supersede(base.redis, closing, draft);
        const memory = await real.memory.supersede(base.memory, closing, draft);
        expect(redis.kind).to.equal(memory.kind);
        remember(real, redis.record, memory.record);
        await compareResult(real, base);
      }),
  ),
  fc.nat().map(
    (at) =>
      new Step(`read #${at}`, async (real) => {
        const base = pick(real, at);
        if (base === null) return;
        await compareResult(real, base);
        const redis = await real.redis.readRequest(base.redis);
        const { record } = await real.redis.read(base.redis, { withResult: false });
        const keeps = record !== null && record.requestPayload === base.redis.requestPayload;
        if (keeps && base.redis.requestPayload !== null) {
          expect(Buffer.from(redis!.body).toString()).to.equal(base.redis.requestPayload);
        }
      }),
  ),
  fc.tuple(fc.nat(), fc.constantFrom("node", "other")).map(
    ([at, owner]) =>
      new Step(`renew #${at} as ${owner}`, async (real) => {
        const base = pick(real, at);
        if (base === null) return;
        const lease = (record: ProcessRecord) => ({ ...record, owner, leaseMs: later });
        const redis = await real.redis.renew([lease(base.redis)]);
        const memory = await real.memory.renew([lease(base.memory)]);
        expect(redis.length).to.equal(memory.length);
      }),
  ),
  fc.nat().map(
    (at) =>
      new Step(`purge #${at}`, async (real) => {
        const base = pick(real, at);
        if (base === null) return;
        expect(await real.redis.purge(base.redis)).to.equal(await real.memory.purge(base.memory));
      }),
  ),
  fc.constant(
    new Step("claim what is due", async (real) => {
      const options = { limit: 1000, hideMs: later };
      const redis = await real.redis.claimDue(options);
      const memory = await real.memory.claimDue(options);
      const names = (due: readonly ProcessRecord[]): string[] =>
        due.map(({ scope, version, lastWrite }) => `${scope} ${version} ${lastWrite}`).sort();
      expect(names(redis.due)).to.deep.equal(names(memory.due));
    }),
  ),
  fc.constant(
    new Step("count and list", async (real) => {
      for (const service of services) {
        expect(await real.redis.count(service)).to.deep.equal(await real.memory.count(service));
        for (const status of statuses) {
          const query = { service, status, olderThanMs: null, limit: 100, cursor: null };
          const redis = (await real.redis.list(query)).items.map(shape);
          const memory = (await real.memory.list(query)).items.map(shape);
          const order = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
          expect(redis.sort(order)).to.deep.equal(memory.sort(order));
        }
      }
      const query = { limit: 100, cursor: null };
      const dead = (await real.redis.deadLetters(query)).items.length;
      expect(dead).to.equal((await real.memory.deadLetters(query)).items.length);
    }),
  ),
];

describeWithRedis("the scripts against a model", () => {
  let redis: RedisConnections;
  before(async () => {
    redis = connectRedis({ url: await sharedRedisUrl() }, { commandTimeoutMs: 8000 });
    await redis.ready(5000);
  });
  after(() => redis.close());

  it("any sequence of commands leaves Redis and memory alike", async function () {
    this.timeout(60_000);
    const counters = { commands: 0 };
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 60, size: "max" }), async (sequence) => {
        let now = 1_790_000_000_000;
        const prefix = uniquePrefix();
        const real: Real = {
          redis: createProcessStore({ redis, keys: createKeys(prefix), partitions: 2 }),
          memory: createMemoryStore({ now: () => (now += 1), partitions: 2 }),
          seen: [],
          counters,
          next: 0,
        };
        await fc.asyncModelRun(() => ({ model: {}, real }), sequence);
        await agree(redis, prefix, real.memory.all());
      }),
      { numRuns: 60 },
    );
    process.stdout.write(`      ${counters.commands} commands\n`);
  });
});
