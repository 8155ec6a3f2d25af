import { asScope } from "@sticky-proxy/protocol";
import {
  type MemoryMirror,
  createMemoryMirror,
  createTestWorld,
  testRoute,
  testService,
} from "@sticky-proxy/core/testing";
import type { MirrorPolicy } from "@sticky-proxy/core/registry";
import {
  type OutboxEntry,
  type Pacer,
  createPacer,
  orderKeyPartition,
  pending,
  settled,
} from "@sticky-proxy/core/mirror";
import {
  type ProcessRecord,
  createRuleBook,
  StoreUnavailable,
  unkeyedPolicy,
} from "@sticky-proxy/core/process";
import type { StoredResponse } from "@sticky-proxy/core/http";
import { createMirrorIntents } from "@sticky-proxy/engine";
import { createTestProcesses } from "@sticky-proxy/engine/testing";
import type { SecondaryOutcome, SecondaryRequest } from "./secondary.ts";
import { expect } from "chai";
import fc from "fast-check";
import { compareJob } from "./compare-worker.ts";
import type { Compared } from "./comparer.ts";
import { type PartitionDrain, type PartitionDrainDeps, createPartitionDrain } from "./partition-drain.ts";

const timeouts = { connectMs: 100, firstByteMs: 1000, idleMs: 1000 };
const policy: MirrorPolicy = {
  to: "users-v2",
  mode: "dual-write",
  rate: 1,
  outbox: "best-effort",
  orderKey: { path: "/users/{id}" },
  mirror4xx: false,
  credentials: "drop",
  onDeadKey: "stop-key",
  maxAgeMs: 10_000,
  maxLag: { entries: 1000, bytes: 1_000_000 },
  compare: {
    sampleRate: 1,
    status: "exact",
    headers: [],
    exactErrors: false,
    ignore: [],
    rules: [],
    ttlMs: 1_000_000,
    maxDifferences: 100,
  },
};

type Script = (request: SecondaryRequest) => SecondaryOutcome | Promise<SecondaryOutcome>;

const ok =
  (body = '{"a":1}', status = 200): Script =>
  () => ({
    kind: "answered",
    status,
    headers: [["content-type", "application/json"]],
    body: Buffer.from(body),
    instance: "v2",
    latencyMs: 3,
  });
const down: Script = () => ({
  kind: "failed",
  failure: { kind: "no-answer", error: "connection_refused", timedOut: false },
  instance: null,
  latencyMs: 1,
  aborted: false,
});

/** One partition with everything around it in memory, on a clock that tests turn. */
class World {
  readonly base = createTestWorld({ partitions: 1 });
  sent: { path: string; key: string | null; fence: string }[] = [];
  answer: Script = ok();
  changes: Partial<MirrorPolicy> = {};
  /** Asked before and after every call of the drain to the outbox. */
  fault: (when: "before" | "after") => boolean = () => false;
  readonly store = this.base.store;
  readonly mirror: MemoryMirror = createMemoryMirror({ now: this.base.clock.now, partitions: 1 });
  readonly troubles: unknown[] = [];
  readonly engine = createTestProcesses(this.base, {
    rulesOf: (record) => createRuleBook(() => []).rulesOf({ ...record, identity: "none" }),
  });
  readonly processes = this.engine.processes;
  readonly intents = createMirrorIntents({
    outbox: this.mirror,
    policyOf: () => this.policy,
    secret: "s",
    configVersion: () => "1",
    clock: this.base.clock,
    validForMs: 1000,
    marks: () => [],
    onGap: () => undefined,
  });
  readonly pacer: Pacer = createPacer();
  /** Pairs that wait for the comparer. */
  comparing = 0;
  drain: PartitionDrain | null = null;
  private count = 0;

  get now(): number {
    return this.base.clock.now();
  }

  pass(ms: number): void {
    this.base.clock.advance(ms);
  }

  get policy(): MirrorPolicy {
    return { ...policy, ...this.changes };
  }

  async begin(path: string, body = "{}"): Promise<ProcessRecord> {
    const request = {
      head: { method: "PUT", path, query: null, headers: [] },
      key: null,
      body: Buffer.from(body),
    };
    const record = await this.engine.begin({
      scope: asScope(`scope${this.count++}`),
      service: "users",
      route: "PUT /users",
      operation: `PUT ${path}`,
      rules: { policy: unkeyedPolicy, retries: { attempts: 1, minMs: 1, maxMs: 1 }, honoursKey: false },
      claim: { fingerprint: "", credential: "", force: false, onDuplicate: "join" },
      mirror: true,
      request,
    });
    await this.intents.beforeDispatch(record, request);
    return record;
  }

  async end(record: ProcessRecord, status = 200, body = '{"a":1}'): Promise<void> {
    const response: StoredResponse = {
      status,
      headers: [["content-type", "application/json"]],
      body: Buffer.from(body),
    };
    const result = { id: `r${this.count++}`, response };
    await this.processes.apply(record, {
      type: "responded",
      attempt: record.attempt,
      status,
      result,
      retryAfterMs: null,
    });
  }

  async call(path: string, status = 200, body = '{"a":1}'): Promise<void> {
    const record = await this.begin(path);
    this.pass(1);
    await this.end(record, status, body);
    this.pass(1);
  }

  private outbox(): MemoryMirror {
    const { mirror } = this;
    return new Proxy(mirror, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as unknown;
        if (typeof method !== "function") return method;
        return async (...args: unknown[]): Promise<unknown> => {
          if (this.fault("before")) throw new StoreUnavailable("before");
          const value: unknown = await (method as (...all: unknown[]) => Promise<unknown>).apply(
            target,
            args,
          );
          if (this.fault("after")) throw new StoreUnavailable("after");
          return value;
        };
      },
    });
  }

  async own(signal = new AbortController().signal): Promise<PartitionDrain> {
    const service = testService({ name: "users" });
    const secondary = { ...service, name: "users-v2", timeouts };
    const route = testRoute({ name: "PUT /users" });
    const deps: PartitionDrainDeps = {
      outbox: this.outbox(),
      store: this.store,
      markMirrored: async (record) => {
        await this.processes.apply(record, { type: "mirrored" });
      },
      find: () => ({ service, route, policy: this.policy, secondary }),
      secondary: {
        send: async (request) => {
          const fence = request.extra.find(([name]) => name === "Sticky-Fence")![1];
          this.sent.push({ path: request.head.path, key: request.idempotencyKey, fence });
          return this.answer(request);
        },
      },
      comparer: {
        compare: async (a, b, compare) =>
          compareJob({ id: 1, primary: a, secondary: b, policy: compare, redactKey: "k" }) as Compared,
        waiting: this.comparing,
        close: async () => undefined,
      },
      pacerOf: () => this.pacer,
      random: () => 0.5,
      clock: this.base.clock,
      onAnswered: () => undefined,
      onSettled: () => undefined,
      onTrouble: (error) => this.troubles.push(error),
      signal,
    };
    this.drain = createPartitionDrain(deps, 0, await this.mirror.claim(0));
    return this.drain;
  }

  /** One turn and all that it starts. */
  async turn(drain = this.drain!): Promise<void> {
    await drain.tick();
    await drain.idle();
  }

  get paths(): string[] {
    return this.sent.map(({ path }) => path);
  }

  async coverage() {
    const [row] = await this.mirror.coverage({ since: null, service: null });
    return row!.coverage;
  }
}

describe("the outbox drain", () => {
  let w: World;
  beforeEach(() => {
    w = new World();
  });

  it("sends what the primary completed, in order per key, and releases the records", async () => {
    for (const path of ["/users/1", "/users/2", "/users/1", "/users/1"]) await w.call(path);
    await w.own();
    await w.turn();
    expect(w.paths.filter((path) => path === "/users/1")).to.have.length(3);
    const fences = w.sent.filter(({ path }) => path === "/users/1").map(({ fence }) => Number(fence));
    expect(fences).to.deep.equal(fences.toSorted((a, b) => a - b));
    expect(w.store.all().every((record) => record.mirror === "done" && record.keepUntil !== null)).to.equal(
      true,
    );
    expect(await w.coverage()).to.include({ eligible: 4, matched: 4 });
    expect((await w.mirror.lag()).size).to.equal(0);
  });

  it("gives the secondary the process id as its key, so that a repeat can be told", async () => {
    await w.call("/users/1");
    await w.own();
    await w.turn();
    expect(w.sent[0]!.key).to.match(/^0\.scope0\./);
  });

  it("waits for a process that is not settled, and holds back only its key", async () => {
    const running = await w.begin("/users/1");
    await w.call("/users/1");
    await w.call("/users/2");
    await w.own();
    await w.turn();
    expect(w.paths).to.deep.equal(["/users/2"]);
    await w.end(running);
    await w.turn();
    expect(w.paths).to.deep.equal(["/users/2", "/users/1", "/users/1"]);
  });

  it("a key held up for long gives way and is taken up again in order", async () => {
    const running = await w.begin("/users/1");
    await w.call("/users/1");
    await w.own();
    await w.turn();
    w.pass(6000);
    await w.turn();
    expect((await w.mirror.parkedKeys({ limit: 9 }))[0]).to.include({ reason: "waiting", entries: 2 });
    await w.call("/users/1");
    await w.end(running);
    w.pass(2000);
    await w.turn();
    await w.turn();
    expect(w.paths).to.have.length(3);
    expect(await w.mirror.parkedKeys({ limit: 9 })).to.deep.equal([]);
  });

  it("skips 4xx and what never ran, and says why", async () => {
    await w.call("/users/1", 422);
    const refused = await w.begin("/users/2");
    await w.processes.apply(refused, {
      type: "failed",
      attempt: 1,
      executed: "no",
      unknown: "cut",
      slug: "upstream-unreachable",
      reason: "connection_refused",
      retryAfterMs: null,
    });
    await w.own();
    await w.turn();
    expect(w.sent).to.deep.equal([]);
    const { skipped } = await w.coverage();
    expect(skipped.get("not-applicable")).to.equal(1);
    expect(skipped.get("never-executed")).to.equal(1);
  });

  it("never guesses: a 5xx of the primary is recorded, the key diverged, later ones go on", async () => {
    await w.call("/users/1", 500);
    await w.call("/users/1");
    await w.own();
    await w.turn();
    expect(w.paths).to.deep.equal(["/users/1"]);
    const { items } = await w.mirror.list({
      service: null,
      route: null,
      class: "primary-unknown",
      path: null,
      since: null,
      open: true,
      limit: 9,
      cursor: null,
    });
    expect(items[0]!.sides.primary.status).to.equal(500);
    expect((await w.mirror.keyState(0, items[0]!.orderKey)).diverged).to.equal(true);
  });

  it("a failing key is parked, the others go on, and it comes back in order", async () => {
    w.answer = (request) => (request.head.path === "/users/1" ? down(request) : ok()(request));
    await w.call("/users/1");
    await w.call("/users/2");
    await w.call("/users/1");
    await w.own();
    await w.turn();
    await w.call("/users/1");
    await w.turn();
    expect(w.paths).to.deep.equal(["/users/1", "/users/2"]);
    const [parked] = await w.mirror.parkedKeys({ limit: 9 });
    expect(parked).to.include({ reason: "no-answer", error: "connection_refused", attempts: 1 });
    w.answer = ok();
    w.pass(1000);
    await w.turn();
    const fences = w.sent.filter(({ path }) => path === "/users/1").map(({ fence }) => Number(fence));
    expect(fences).to.have.length(4);
    expect(fences).to.deep.equal(fences.toSorted((a, b) => a - b));
    expect(await w.coverage()).to.include({ eligible: 4, matched: 4 });
  });

  it("what is read while a parked key is tried again is not forgotten when that try fails", async () => {
    w.answer = down;
    await w.call("/users/1");
    await w.own();
    await w.turn();
    await w.call("/users/1");
    w.pass(3000);
    await w.turn();
    w.answer = ok();
    for (let i = 0; i < 3; i++) {
      w.pass(60_000);
      await w.turn();
    }
    expect(await w.coverage()).to.include({ eligible: 2, matched: 2 });
  });

  it("too old a key is stopped with nothing lost, until an operator unparks it", async () => {
    w.answer = down;
    await w.call("/users/1");
    await w.own();
    for (let i = 0; i < 40; i++) {
      await w.turn();
      w.pass(1000);
    }
    const [stopped] = await w.mirror.parkedKeys({ limit: 9 });
    expect(stopped).to.include({ reason: "stopped", nextAt: null, entries: 1 });
    const tries = w.sent.length;
    await w.turn();
    expect(w.sent).to.have.length(tries);
    expect(pending(await w.coverage())).to.equal(1);
    w.answer = ok();
    w.pass(60_000);
    await w.mirror.unpark(0, stopped!.orderKey);
    await w.turn();
    expect(await w.coverage()).to.include({ eligible: 1, matched: 1 });
  });

  it("where the route says continue, too old an intent is failed with a record and the next one goes on", async () => {
    w.changes = { onDeadKey: "continue", maxAgeMs: 2000 };
    const downUntil = w.now + 3000;
    w.answer = () =>
      (w.sent.at(-1)!.path === "/users/1" && w.now < downUntil ? down : ok())({} as SecondaryRequest);
    await w.call("/users/1");
    await w.own();
    for (let i = 0; i < 20; i++) {
      await w.turn();
      w.pass(150);
    }
    await w.call("/users/1");
    await w.turn();
    const coverage = await w.coverage();
    expect(coverage).to.include({ eligible: 2, failed: 1, matched: 1 });
  });

  it("a difference is kept with both sides; what overlapped at the primary is a race", async () => {
    w.answer = ok('{"a":2}');
    await w.call("/users/1");
    await w.own();
    await w.turn();
    const first = await w.begin("/users/2");
    w.pass(5);
    const second = await w.begin("/users/2");
    w.pass(5);
    await w.end(first);
    await w.end(second);
    await w.turn();
    expect(await w.coverage()).to.include({ eligible: 3, different: 1, race: 2 });
    const groups = await w.mirror.groups({ since: null });
    expect(groups.map(({ class: kind, path, count }) => `${kind} ${path} ${count}`)).to.have.members([
      "body /a 1",
      "race /a 2",
    ]);
  });

  it("calls one after the other are no race, however late they are drained", async () => {
    w.answer = ok('{"a":2}');
    for (let i = 0; i < 5; i++) await w.call("/users/1");
    await w.own();
    await w.turn();
    expect(await w.coverage()).to.include({ eligible: 5, different: 5, race: 0 });
  });

  it("an intent that was settled before its owner died is not sent again", async () => {
    await w.call("/users/1");
    const [entry] = (await w.mirror.peek(0, { after: null, limit: 1 })).entries as [OutboxEntry];
    const dead = await w.mirror.claim(0);
    await w.mirror.settle(0, dead, entry, {
      outcome: "matched",
      difference: null,
      diverged: false,
      endedAt: null,
      limits: { ttlMs: 1, maxDifferences: 1 },
    });
    await w.own();
    await w.turn();
    expect(w.sent).to.deep.equal([]);
    expect(await w.coverage()).to.include({ eligible: 1, matched: 1 });
    expect(w.store.all()[0]!.mirror).to.equal("done");
    expect((await w.mirror.lag()).size).to.equal(0);
  });

  it("O3: a drain whose partition was taken settles nothing and says so", async () => {
    await w.call("/users/1");
    const late = await w.own();
    await w.own();
    await w.turn(late);
    expect(late.isLost).to.equal(true);
    expect(pending(await w.coverage())).to.equal(1);
    await w.turn();
    expect(await w.coverage()).to.include({ eligible: 1, matched: 1 });
  });

  it("stopping ends a send under way without counting it against the key", async () => {
    const stop = new AbortController();
    w.answer = (request) =>
      new Promise((resolve) => {
        request.signal.addEventListener("abort", () =>
          resolve({ ...(down(request) as SecondaryOutcome & { kind: "failed" }), aborted: true }),
        );
        queueMicrotask(() => stop.abort());
      });
    await w.call("/users/1");
    const drain = await w.own(stop.signal);
    await w.turn(drain);
    expect(pending(await w.coverage())).to.equal(1);
    expect(await w.mirror.parkedKeys({ limit: 9 })).to.deep.equal([]);
  });

  it("coverage adds up and every write arrives in order, whatever fails and whenever an owner dies", async () => {
    const step = fc.constantFrom("call", "call4xx", "call5xx", "turn", "turn", "die", "wait", "down", "up");
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 40 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 99 })),
        fc.integer({ min: 1, max: 3 }),
        async (steps, dice, keys) => {
          const world = new World();
          let calls = 0;
          const completed = new Map<string, number>();
          world.fault = () => dice.next().value! < 4;
          await world.own();
          const check = async (): Promise<void> => {
            for (const { coverage } of await world.mirror.coverage({ since: null, service: null })) {
              expect(coverage.eligible).to.equal(calls);
              expect(coverage.eligible).to.equal(settled(coverage) + pending(coverage));
              expect(pending(coverage)).to.be.at.least(0);
            }
          };
          for (const [i, name] of steps.entries()) {
            const path = `/users/${i % keys}`;
            if (name.startsWith("call")) {
              const status = name === "call" ? 200 : name === "call4xx" ? 404 : 500;
              await world.call(path, status);
              calls++;
              if (status === 200) completed.set(path, (completed.get(path) ?? 0) + 1);
            } else if (name === "turn") await world.turn().catch(() => undefined);
            else if (name === "die") await world.own();
            else if (name === "wait") world.pass(3000);
            else world.answer = name === "down" ? down : ok();
            await check();
          }
          world.fault = () => false;
          world.answer = ok();
          for (let i = 0; i < 30; i++) {
            world.pass(40_000);
            for (const { orderKey } of await world.mirror.parkedKeys({ limit: 99 })) {
              await world.mirror.unpark(orderKeyPartition(orderKey, 1), orderKey);
            }
            await world.turn();
          }
          await check();
          for (const [path, count] of completed) {
            const fences = world.sent.filter((one) => one.path === path).map(({ fence }) => Number(fence));
            // At least once, repeats only of the same one, never backwards.
            expect(new Set(fences).size).to.equal(count);
            expect(fences).to.deep.equal(fences.toSorted((a, b) => a - b));
          }
          const [row] = await world.mirror.coverage({ since: null, service: null });
          if (row !== undefined) expect(pending(row.coverage)).to.equal(0);
          expect([...(await world.mirror.lag()).values()].every(({ entries }) => entries === 0)).to.equal(
            true,
          );
          expect(world.store.all().every((record) => record.mirror === "done")).to.equal(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("sends nothing while many pairs wait to be compared: their bodies are held until then", async () => {
    await w.call("/users/1");
    w.comparing = 64;
    await w.own();
    await w.turn();
    expect(w.sent).to.deep.equal([]);
    w.comparing = 63;
    await w.own();
    await w.turn();
    expect(await w.coverage()).to.include({ matched: 1 });
  });

  it("an intent waits for earlier ones of the paths above it, also in another order of answers", async () => {
    w.changes = { orderKey: null };
    const creating = await w.begin("/users");
    w.pass(1);
    await w.call("/users/2");
    await w.call("/users/2");
    await w.call("/orders/2");
    await w.own();
    await w.turn();
    expect(w.paths).to.deep.equal(["/orders/2"]);
    await w.end(creating, 201);
    await w.turn();
    await w.turn();
    expect(w.paths).to.deep.equal(["/orders/2", "/users", "/users/2", "/users/2"]);
    expect(await w.coverage()).to.include({ matched: 3, different: 1 });
  });

  it("it waits while they are parked, and not for later ones", async () => {
    w.changes = { orderKey: null };
    w.answer = (request) => (request.head.path === "/users" ? down(request) : ok()(request));
    await w.call("/users");
    w.pass(1);
    await w.call("/users/2");
    await w.own();
    await w.turn();
    await w.turn();
    expect(w.paths).to.deep.equal(["/users"]);
    const [parked] = await w.mirror.parkedKeys({ limit: 9 });
    expect(parked).to.include({ reason: "no-answer", entries: 1 });
    // Nothing above is older than this one: the same collection, an earlier change.
    w.answer = ok();
    w.pass(parked!.nextAt! - w.now);
    await w.turn();
    await w.turn();
    expect(w.paths).to.deep.equal(["/users", "/users", "/users/2"]);

    w.answer = (request) => (request.head.path === "/users" ? down(request) : ok()(request));
    const changing = await w.begin("/users/2");
    w.pass(1);
    await w.call("/users");
    await w.turn();
    await w.end(changing);
    await w.turn();
    expect(w.paths.slice(3)).to.deep.equal(["/users", "/users/2"]);
    expect((await w.mirror.parkedKeys({ limit: 9 }))[0]).to.include({ entries: 1 });
  });
});
