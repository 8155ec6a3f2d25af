import { asScope } from "@sticky-proxy/protocol";
import { createTestWorld, testRequest, type TestWorld } from "@sticky-proxy/core/testing";
import type { Processes, Delivery, Executor, PollAnswer } from "@sticky-proxy/engine";
import { createTestProcesses, lostAnswer, type TestProcesses } from "@sticky-proxy/engine/testing";
import type { ProcessRecord, Standing } from "@sticky-proxy/core/process";
import type { ProcessPolicy } from "@sticky-proxy/core/registry";
import { expect } from "chai";
import { createSweeper, type Sweeper } from "./sweep.ts";

const policy: Partial<ProcessPolicy> = {
  deadlineMs: 600_000,
  keepServerErrors: true,
  onUnknown: { cut: "probe", timeout: "fail", lost: "fail", answered: "fail" },
  probe: { path: "/probe", intervalMs: 500 },
};

describe("the sweeper", () => {
  let world: TestWorld;
  let engine: TestProcesses;
  let processes: Processes;
  let sweeper: Sweeper;
  let polls: { record: ProcessRecord; answer: (answer: PollAnswer) => void }[];
  let deliveries: { record: ProcessRecord; answer: (answer: Delivery) => void }[];
  let failures: unknown[];
  let recovered: ProcessRecord[];
  let scopes: number;
  let standing: Standing;
  let unknown: ProcessRecord[];

  beforeEach(() => {
    scopes = 0;
    standing = "here";
    unknown = [];
    polls = [];
    deliveries = [];
    failures = [];
    recovered = [];
    world = createTestWorld({ policy, random: 0 });
    engine = createTestProcesses(world);
    ({ processes } = engine);
    sweeper = createSweeper({
      processes,
      executor: { inFlight: 0, idle: () => Promise.resolve() } as unknown as Executor,
      node: "s1",
      pacing: { isPaused: () => false, pausedMs: () => 0 },
      rules: { find: () => world, learn: () => null, standing: () => standing },
      unknownWork: {
        saw: (record) => void unknown.push(record),
        forget: () => undefined,
        read: () => ({ count: 0, oldestMs: 0 }),
      },
      isEndpoint: (name) => name === "shop",
      poll: (record) => new Promise((answer) => polls.push({ record, answer })),
      deliver: (record) => new Promise((answer) => deliveries.push({ record, answer })),
      extra: () => [],
      intents: { recover: async (record) => void recovered.push(record) },
      onDuty: () => undefined,
      onDone: () => undefined,
      onFailure: (_duty, _record, error) => failures.push(error),
      hideMs: 1000,
      batch: 10,
    });
  });

  const apply: TestProcesses["apply"] = (record, event) => engine.apply(record, event);
  async function begin(notify: string | null = null, mirrored = false): Promise<ProcessRecord> {
    scopes += 1;
    return engine.begin({
      scope: asScope(`scope${scopes}`),
      notify,
      mirror: mirrored,
      request: mirrored ? testRequest({ key: null, body: new Uint8Array(1) }) : null,
    });
  }
  async function polled(): Promise<ProcessRecord> {
    return apply(await begin(), {
      type: "accepted",
      attempt: 1,
      status: 202,
      jobId: null,
      pollUrl: "/jobs/1",
      pollInMs: 100,
    });
  }
  const response = { status: 200, headers: [], body: new Uint8Array(1) };
  async function ended(): Promise<ProcessRecord> {
    return apply(await begin("shop"), {
      type: "responded",
      attempt: 1,
      status: 200,
      result: { id: "r", response },
      retryAfterMs: null,
    });
  }
  async function current(record: ProcessRecord): Promise<ProcessRecord> {
    return (await processes.read(record, { withResult: false })).record!;
  }
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it("checks the intent of a mirrored process on take-over, since the owner may have died before it was appended", async () => {
    const [plain, mirrored] = [await begin(), await begin(null, true)];
    world.clock.advance(world.rules.policy.leaseMs + 1);
    expect(await sweeper.tick()).to.equal(2);
    expect((await current(plain)).status).to.equal("failed");
    expect(recovered.map(({ scope, status }) => [scope, status])).to.deep.equal([[mirrored.scope, "failed"]]);
  });

  it("polls when the alarm is due, stores the progress, and polls again after the requested time", async () => {
    const record = await polled();
    expect(await sweeper.tick()).to.equal(0);
    world.clock.advance(100);
    expect(await sweeper.tick()).to.equal(1);
    polls[0]!.answer({ kind: "running", retryInMs: 700, percent: 40 });
    await settled();
    expect(await current(record)).to.include({
      progressPercent: 40,
      wakeAt: world.clock.now() + 700,
      phase: "awaiting-callback",
    });
    world.clock.advance(700);
    await sweeper.tick();
    polls[1]!.answer({ kind: "no-answer", retryInMs: 900 });
    await settled();
    expect(await current(record)).to.include({ wakeAt: world.clock.now() + 900, status: "in-progress" });
  });

  it("ends the process with the result of a poll", async () => {
    const record = await polled();
    world.clock.advance(100);
    await sweeper.tick();
    polls[0]!.answer({ kind: "result", id: "x", response: { ...response, status: 201 } });
    await settled();
    expect(await current(record)).to.include({ status: "completed", httpStatus: 201, executed: "yes" });
  });

  it("fails a process that the probed service does not know, with a dead letter", async () => {
    const record = await apply(await begin(), lostAnswer);
    expect(record.pollUrl).to.equal("/probe");
    world.clock.advance(500);
    await sweeper.tick();
    polls[0]!.answer({ kind: "unknown-work", reason: "status 404" });
    await settled();
    expect(await current(record)).to.include({
      status: "failed",
      executed: "unknown",
      released: false,
      deadLetter: "callback",
    });
  });

  it("a slow poll or delivery delays no other alarm, and is not started twice", async () => {
    const slow = await polled();
    const silent = await ended();
    world.clock.advance(100);
    await sweeper.tick();
    expect([polls.length, deliveries.length]).to.deep.equal([1, 1]);
    const other = await polled();
    world.clock.advance(2000); // the hidden alarms are due again
    await sweeper.tick();
    expect(polls.map(({ record }) => record.scope)).to.deep.equal([slow.scope, other.scope]);
    expect(deliveries.map(({ record }) => record.scope)).to.deep.equal([silent.scope]);
    expect(failures).to.deep.equal([]);
  });

  it("lets one destination take no more than its share, what finds no room rings again, and a take-over waits for none of it", async () => {
    const events: ProcessRecord[] = [];
    for (let i = 0; i < 25; i += 1) events.push(await ended());
    const orphan = await begin();
    world.clock.advance(orphan.leaseMs);
    await sweeper.tick();
    expect(deliveries.length, "a quarter of ten").to.equal(3);
    expect(await current(orphan)).to.include({ status: "failed" });
    const poll = await polled();
    world.clock.advance(100);
    await sweeper.tick();
    expect([deliveries.length, polls.map(({ record }) => record.scope)]).to.deep.equal([3, [poll.scope]]);
    for (const { answer } of deliveries) answer({ delivered: true, retryInMs: null });
    await settled();
    world.clock.advance(2000);
    await sweeper.tick();
    expect(deliveries.length).to.equal(6);
    expect(failures).to.deep.equal([]);
  });

  it("stores the outcome of a delivery: delivered, retry later, or dead", async () => {
    const record = await ended();
    await sweeper.tick();
    deliveries[0]!.answer({ delivered: false, retryInMs: 5000 });
    await settled();
    expect(await current(record)).to.include({
      notifyState: "pending",
      notifyAttempt: 1,
      wakeAt: world.clock.now() + 5000,
    });
    world.clock.advance(5000);
    await sweeper.tick();
    deliveries[1]!.answer({ delivered: false, retryInMs: null });
    await settled();
    expect(await current(record)).to.include({
      notifyState: "failed",
      deadLetter: "callback",
      status: "completed",
    });
    const other = await ended();
    await sweeper.tick();
    deliveries[2]!.answer({ delivered: true, retryInMs: null });
    await settled();
    expect(await current(other)).to.include({ notifyState: "delivered", deadLetter: null });
  });

  it("leaves what it does not know to another sweeper, soon, and decides what needs no address", async () => {
    standing = "no-service";
    const waiting = await polled();
    world.clock.advance(100);
    await sweeper.tick();
    await settled();
    expect([polls.length, unknown.map(({ scope }) => scope)]).to.deep.equal([0, [waiting.scope]]);
    world.clock.advance(1000);
    expect(await sweeper.tick(), "its alarm rings again before its hiding would end").to.equal(1);
    const orphan = await begin();
    world.clock.advance(orphan.leaseMs);
    await sweeper.tick();
    await settled();
    expect(await current(orphan)).to.include({ status: "failed", executed: "unknown" });
    standing = "no-rules";
    const unreadable = await begin();
    world.clock.advance(unreadable.leaseMs);
    await sweeper.tick();
    await settled();
    expect(await current(unreadable)).to.include({ status: "in-progress", owner: "n1" });
    expect(failures).to.deep.equal([]);
  });

  it("keeps an event for an endpoint that it does not know for a day, then tries it as one that is gone", async () => {
    const record = await apply(await begin("unheard-of"), {
      type: "responded",
      attempt: 1,
      status: 200,
      result: { id: "r", response },
      retryAfterMs: null,
    });
    await sweeper.tick();
    await settled();
    expect([deliveries.length, unknown.length]).to.deep.equal([0, 1]);
    expect(await current(record)).to.include({ notifyState: "pending", notifyAttempt: 0 });
    world.clock.advance(24 * 3_600_000 + 1);
    await sweeper.tick();
    await settled();
    expect(deliveries.length).to.equal(1);
  });

  it("stops only when what is under way has ended", async () => {
    await polled();
    world.clock.advance(100);
    await sweeper.tick();
    let isStopped = false;
    const stopping = sweeper.stop().then(() => (isStopped = true));
    await settled();
    expect(isStopped).to.equal(false);
    polls[0]!.answer({ kind: "no-answer", retryInMs: 1000 });
    await stopping;
    expect(isStopped).to.equal(true);
    world.clock.advance(1000);
    expect(await sweeper.tick()).to.equal(0);
  });
});
