import { asFence, asScope } from "@sticky-proxy/protocol";
import { expect } from "chai";
import fc from "fast-check";
import {
  dutyOf,
  type BeginRequest,
  type ProcessRecord,
  type ProcessEvent,
  StoreUnavailable,
  type ProcessStore,
} from "@sticky-proxy/core/process";
import { createTestWorld, testRequest } from "@sticky-proxy/core/testing";
import { createTestProcesses, lostAnswer } from "@sticky-proxy/engine/testing";
import { discardDeadLetter } from "./discard.ts";
import { anyDeadLetter, listDeadLetters, type DeadLetterFilter } from "./list.ts";
import { planRedrive, planValidMs, startRedrive, type RedriveItem } from "./redrive-all.ts";
import { redriveDeadLetter } from "./redrive.ts";
import { showDeadLetter } from "./show.ts";

const never = { signal: new AbortController().signal, onItem: () => undefined };

function world() {
  const base = createTestWorld();
  const { clock, newId, store: memory } = base;
  /** Called before every commit; throwing there is a crash. */
  const hooks = { beforeCommit: (_event: string): void => undefined };
  const store: ProcessStore = {
    ...memory,
    commit(base, change, options) {
      hooks.beforeCommit(change.entry.event);
      return memory.commit(base, change, options);
    },
  };
  const { processes, apply, ...engine } = createTestProcesses(base, { store });
  async function begin(scope: string, over: Partial<BeginRequest> = {}): Promise<ProcessRecord> {
    const record = await engine.begin({
      scope: asScope(scope),
      request: testRequest({ key: scope, body: new Uint8Array(2) }),
      ...over,
    });
    clock.advance(1);
    return record;
  }
  const ended = (attempt: number): ProcessEvent => ({
    type: "responded",
    attempt,
    status: 200,
    result: { id: newId(), response: { status: 200, headers: [], body: new Uint8Array(1) } },
    retryAfterMs: null,
  });
  return {
    memory,
    hooks,
    processes,
    begin,
    apply,
    ended,
    rules: base.rules,
    ...clock,
    async dead(scope: string, over: Partial<BeginRequest> = {}, reason = "cut"): Promise<ProcessRecord> {
      const record = await begin(scope, over);
      return apply(record, { ...lostAnswer, reason });
    },
    async completedButNotTold(scope: string): Promise<ProcessRecord> {
      const end = await apply(await begin(scope, { notify: "hook" }), ended(1));
      return apply(end, { type: "notified", delivered: false, retryInMs: null });
    },
    async marks(): Promise<string[]> {
      const { items } = await memory.deadLetters({ limit: 1000, cursor: null });
      return items.map(({ scope }) => scope).sort();
    },
  };
}

describe("dead letters", () => {
  it("dead letters are listed newest first by filter, page by page", async () => {
    const w = world();
    await w.dead("s1");
    await w.dead("s2", { service: "reports" });
    await w.dead("s3", {}, "refused");
    await w.completedButNotTold("s4");
    const list = async (over: Partial<DeadLetterFilter>, limit = 2): Promise<string[]> => {
      const scopes: string[] = [];
      for (let cursor: string | null = null; ;) {
        const page = await listDeadLetters(w.processes, { ...anyDeadLetter, ...over }, { limit, cursor });
        expect(page.items.length).to.be.at.most(limit);
        scopes.push(...page.items.map(({ scope }) => scope));
        if (page.next === null) return scopes;
        cursor = page.next;
      }
    };
    expect(await list({})).to.deep.equal(["s4", "s3", "s2", "s1"]);
    expect(await list({ service: "payments" }, 1)).to.deep.equal(["s4", "s3", "s1"]);
    expect(await list({ class: "callback" })).to.deep.equal(["s4"]);
    expect(await list({ reason: "refused" })).to.deep.equal(["s3"]);
    expect(await list({ reason: "upstream-timeout" })).to.deep.equal(["s3", "s2", "s1"]);
    expect(await list({ executed: "unknown" })).to.deep.equal(["s3", "s2", "s1"]);
    w.advance(5000);
    await w.dead("s5");
    expect(await list({ olderThanMs: 5000 })).to.deep.equal(["s4", "s3", "s2", "s1"]);
  });

  it("a dead letter shows its record, its timeline and whether the request was kept", async () => {
    const w = world();
    const record = await w.dead("s1");
    const shown = await showDeadLetter(w.processes, record);
    expect(shown!.record).to.include({ deadLetter: "upstream", attempt: 1, reason: "cut" });
    expect(shown!.request!.body).to.have.length(2);
    expect(shown!.timeline.map(({ event }) => event)).to.deep.equal(["created", "failed"]);
    const alive = await w.begin("s2");
    expect(await showDeadLetter(w.processes, alive)).to.equal(null);
  });

  it("D2: a redrive makes the next process of the scope, due for a sweeper, and takes the mark off", async () => {
    const w = world();
    const record = await w.dead("s1");
    const redriven = await redriveDeadLetter(w.processes, record);
    if (redriven.kind !== "rerun") throw new Error(redriven.kind);
    expect(redriven.record).to.include({ status: "pending", owner: null, rerunOf: record.epoch });
    expect(dutyOf(redriven.record, w.now())).to.equal("dispatch");
    expect(await w.marks()).to.deep.equal([]);
    const old = await w.processes.read(record, { withResult: false });
    expect(old.record).to.include({
      deadLetter: null,
      supersededBy: redriven.record.epoch,
      status: "failed",
    });
    expect(await redriveDeadLetter(w.processes, record)).to.deep.equal({ kind: "not-dead" });
  });

  it("D2: a crash between the new process and the mark loses nothing and runs nothing twice", async () => {
    const w = world();
    const record = await w.dead("s1");
    w.hooks.beforeCommit = (event) => {
      if (event === "discarded") throw new StoreUnavailable("crash");
    };
    const crashed = await redriveDeadLetter(w.processes, record).then(
      () => null,
      (error: unknown) => error,
    );
    expect(crashed).to.be.instanceOf(StoreUnavailable);
    expect(await w.marks()).to.deep.equal(["s1"]);
    w.hooks.beforeCommit = () => undefined;
    expect((await redriveDeadLetter(w.processes, record)).kind).to.equal("already-rerun");
    expect(await w.marks()).to.deep.equal([]);
    expect(w.memory.all()).to.have.length(2);
  });

  it("D1: a scope that the client has run again since is not redriven", async () => {
    const w = world();
    const record = await w.dead("s1");
    w.advance(w.rules.policy.resultTtlMs);
    const next = await w.begin("s1");
    await w.apply(next, w.ended(1));
    expect(await redriveDeadLetter(w.processes, record)).to.deep.equal({
      kind: "superseded",
      successor: { partition: 3, scope: "s1", epoch: next.epoch },
    });
    expect(await w.marks()).to.deep.equal(["s1"]);
    expect(await discardDeadLetter(w.processes, record)).to.equal("discarded");
    expect(await discardDeadLetter(w.processes, record)).to.equal("not-dead");
    expect(await w.marks()).to.deep.equal([]);
  });

  it("a forced request counts as the redrive of its dead letter", async () => {
    const w = world();
    const record = await w.dead("s1");
    const claim = { fingerprint: "f", credential: "", force: true, onDuplicate: "join" } as const;
    const { epoch } = await w.begin("s1", { claim });
    const successor = { partition: 3, scope: "s1", epoch };
    expect(await redriveDeadLetter(w.processes, record)).to.deep.equal({ kind: "already-rerun", successor });
    expect(await w.marks()).to.deep.equal([]);
  });

  it("D1: many redrives of one dead letter side by side run it once", async () => {
    const w = world();
    const record = await w.dead("s1");
    const kinds = await Promise.all(Array.from({ length: 8 }, () => redriveDeadLetter(w.processes, record)));
    expect(kinds.filter(({ kind }) => kind === "rerun")).to.have.length(1);
    expect(w.memory.all()).to.have.length(2);
  });

  it("D3: a completed process whose endpoint was not reached is notified again and never run again", async () => {
    const w = world();
    const record = await w.completedButNotTold("s1");
    const redriven = await redriveDeadLetter(w.processes, record);
    expect(redriven.kind).to.equal("notified-again");
    const { record: now } = await w.processes.read(record, { withResult: false });
    expect(now).to.include({
      status: "completed",
      notifyState: "pending",
      deadLetter: null,
      supersededBy: null,
    });
    expect(dutyOf(now!, w.now())).to.equal("deliver");
    expect(w.memory.all()).to.have.length(1);
  });

  it("a redrive says why it cannot run: the request was not kept, the process is no dead letter, or there is none", async () => {
    const w = world();
    const record = await w.dead("s1", { request: null });
    expect(await redriveDeadLetter(w.processes, record)).to.deep.equal({ kind: "no-request" });
    expect(await w.marks()).to.deep.equal(["s1"]);
    expect(await redriveDeadLetter(w.processes, await w.begin("s2"))).to.deep.equal({ kind: "not-dead" });
    expect(await redriveDeadLetter(w.processes, { ...record, epoch: asFence(1) })).to.deep.equal({
      kind: "not-found",
    });
    expect(await discardDeadLetter(w.processes, { ...record, epoch: asFence(1) })).to.equal("not-found");
  });

  it("a plan of a bulk redrive counts what it would do and changes nothing", async () => {
    const w = world();
    for (let i = 1; i <= 12; i += 1) await w.dead(`s${i}`);
    await w.dead("s13", { request: null });
    await w.completedButNotTold("s14");
    const before = w.memory.all();
    const plan = await planRedrive(w.processes, { ...anyDeadLetter, service: "payments" });
    expect(plan).to.deep.include({
      count: 14,
      isCapped: false,
      plannedAt: w.now(),
      validUntil: w.now() + planValidMs,
    });
    expect(plan.outlook).to.deep.include({ rerun: 12, notify: 1, "no-request": 1 });
    expect(plan.sample).to.have.length(10);
    expect(w.memory.all()).to.deep.equal(before);
    expect(JSON.parse(JSON.stringify(plan))).to.deep.equal(plan);
  });

  it("D4: a bulk redrive touches only what was dead when it was planned", async () => {
    const w = world();
    await w.dead("s1");
    await w.dead("s2", { service: "reports" });
    const plan = await planRedrive(w.processes, { ...anyDeadLetter, service: "payments" });
    w.advance(10);
    await w.dead("s3");
    const report = await startRedrive(w.processes, plan, never);
    expect(report).to.deep.equal({ counts: { rerun: 1 }, isComplete: true });
    expect(await w.marks()).to.deep.equal(["s2", "s3"]);
  });

  it("a plan that is too old is not started", async () => {
    const w = world();
    await w.dead("s1");
    const plan = await planRedrive(w.processes, anyDeadLetter);
    w.advance(planValidMs + 1);
    expect(await startRedrive(w.processes, plan, never)).to.equal(null);
    expect(await w.marks()).to.deep.equal(["s1"]);
  });

  it("a bulk redrive stops between two items at its signal, and continues when it is started again", async () => {
    const w = world();
    for (let i = 1; i <= 5; i += 1) await w.dead(`s${i}`);
    const plan = await planRedrive(w.processes, anyDeadLetter);
    const stop = new AbortController();
    const items: RedriveItem[] = [];
    const report = await startRedrive(w.processes, plan, {
      signal: stop.signal,
      onItem: (item) => {
        items.push(item);
        if (items.length === 2) stop.abort();
      },
    });
    expect(report).to.deep.equal({ counts: { rerun: 2 }, isComplete: false });
    expect(items.map(({ ref }) => ref.scope)).to.deep.equal(["s5", "s4"]);
    const rest = await startRedrive(w.processes, plan, never);
    expect(rest).to.deep.equal({ counts: { rerun: 3 }, isComplete: true });
  });

  it("D1, D2: a bulk redrive that crashes anywhere and is started again until it is complete runs each dead letter exactly once", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.boolean(), { maxLength: 20 }),
        async (count, crashes) => {
          const w = world();
          for (let i = 0; i < count; i += 1) await w.dead(`s${i}`);
          const plan = await planRedrive(w.processes, anyDeadLetter);
          let turn = 0;
          w.hooks.beforeCommit = () => {
            if (crashes[turn++] === true) throw new StoreUnavailable("crash");
          };
          let isComplete = false;
          for (let starts = 0; !isComplete && starts <= crashes.length; starts += 1) {
            try {
              isComplete = (await startRedrive(w.processes, plan, never))?.isComplete ?? false;
            } catch (error) {
              if (!(error instanceof StoreUnavailable)) throw error;
            }
          }
          expect(isComplete).to.equal(true);
          expect(await w.marks()).to.deep.equal([]);
          const reruns = w.memory.all().filter(({ rerunOf }) => rerunOf !== null);
          expect(new Set(reruns.map(({ scope }) => scope)).size).to.equal(count);
          expect(w.memory.all()).to.have.length(2 * count);
        },
      ),
    );
  });
});
