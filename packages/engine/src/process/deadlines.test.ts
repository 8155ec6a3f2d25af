/** Until when a process may take: the client's deadline, the route's, and the bound of one that has none. */
import { dutyOf, type ProcessEvent } from "@sticky-proxy/core/process";
import type { ProcessPolicy } from "@sticky-proxy/core/registry";
import { createTestWorld } from "@sticky-proxy/core/testing";
import { expect } from "chai";
import { createTestProcesses, lostAnswer } from "../testing.ts";

const dayMs = 24 * 3_600_000;

function worldOf(policy: Partial<ProcessPolicy>, attempts = 1) {
  const world = createTestWorld({
    policy: { leaseMs: 1000, deadlineMs: null, heartbeatTimeoutMs: null, ...policy },
    retries: { attempts, minMs: 100, maxMs: 100 },
  });
  return { ...world, ...createTestProcesses(world) };
}

const accepted = (over: { pollUrl?: string; pollInMs?: number } = {}): ProcessEvent => ({
  type: "accepted",
  attempt: 1,
  status: 202,
  jobId: null,
  pollUrl: over.pollUrl ?? null,
  pollInMs: over.pollInMs ?? null,
});

describe("a process's deadline", () => {
  const births: readonly [asked: number | null, route: number | null, deadline: number | null][] = [
    [null, null, null],
    [5000, null, 5000],
    [null, 60_000, 60_000],
    [5000, 60_000, 5000],
    [90_000, 60_000, 60_000],
    [0, 60_000, 0],
  ];
  for (const [asked, route, deadline] of births)
    it(`is ${deadline} ms after its birth where the client asked for ${asked} and the route says ${route}`, async () => {
      const w = worldOf({ deadlineMs: route });
      const record = await w.begin({ deadlineMs: asked });
      expect(record.deadlineAt).to.equal(deadline === null ? null : w.clock.now() + deadline);
    });

  it("stays as it was asked for through every later attempt, though the route has none or a later one", async () => {
    for (const route of [null, 60_000]) {
      const w = worldOf({ deadlineMs: route }, 3);
      const record = await w.begin({ deadlineMs: 5000 });
      const waiting = await w.apply(record, { ...lostAnswer, executed: "no" });
      w.clock.advance(100);
      const second = await w.apply(waiting, { type: "dispatched", owner: "n1" });
      expect(second.deadlineAt).to.equal(record.deadlineAt);
      expect((await w.apply(second, { ...accepted(), attempt: 2 } as ProcessEvent)).deadlineAt).to.equal(
        record.deadlineAt,
      );
    }
  });

  for (const event of [
    { type: "dispatched", owner: "n1" },
    { type: "postponed", ms: 100, owner: "n1" },
  ] as const)
    it(`is kept by an attempt that is ${event.type} at it or later: nothing is sent, and the identity is free`, async () => {
      for (const lateMs of [-1, 0, 1]) {
        const w = worldOf({}, 3);
        const waiting = await w.apply(await w.begin({ deadlineMs: 5000 }), { ...lostAnswer, executed: "no" });
        w.clock.advance(5000 + lateMs);
        const after = await w.apply(waiting, event);
        if (lateMs < 0) expect(after, "in time").to.include({ status: "in-progress", endedAt: null });
        else {
          expect(after, `${lateMs} ms late`).to.include({
            status: "failed",
            executed: "no",
            problem: "deadline-exceeded",
            attempt: 1,
            released: true,
          });
          expect((await w.processes.begin(w.request())).verdict).to.equal("start");
        }
      }
    });

  it("met before anything was sent makes no dead letter of one attempt, and one of an operator's where it could be tried again", async () => {
    for (const [attempts, deadLetter] of [
      [1, null],
      [2, "upstream"],
    ] as const) {
      const w = worldOf({}, attempts);
      const pending = await w.begin({ deadlineMs: 5000, pausedMs: 4000 });
      w.clock.advance(5000);
      expect(await w.apply(pending, { type: "overdue" })).to.include({
        status: "failed",
        executed: "no",
        attempt: 0,
        released: true,
        deadLetter,
      });
    }
  });

  it("comes to a process that was created before its route had one, from its next dispatch on", async () => {
    const w = worldOf({}, 3);
    const waiting = await w.apply(await w.begin(), { ...lostAnswer, executed: "no" });
    const reloaded = createTestProcesses(w, {
      rulesOf: () => ({ ...w.rules, policy: { ...w.rules.policy, deadlineMs: 7000 } }),
    });
    const sent = await reloaded.apply(waiting, { type: "dispatched", owner: "n1" });
    expect(sent.deadlineAt).to.equal(w.clock.now() + 7000);
  });

  const waits: readonly [
    what: string,
    policy: Partial<ProcessPolicy>,
    event: ProcessEvent,
    wakeMs: number,
    deadlineMs: number,
  ][] = [
    ["a callback, no heartbeat", {}, accepted(), dayMs, dayMs],
    ["a callback, a heartbeat", { heartbeatTimeoutMs: 5000 }, accepted(), 5000, dayMs],
    ["a callback, a heartbeat beyond the bound", { heartbeatTimeoutMs: 3 * dayMs }, accepted(), dayMs, dayMs],
    ["a poll", {}, accepted({ pollUrl: "/p", pollInMs: 300 }), 300, dayMs],
    ["a poll beyond the bound", {}, accepted({ pollUrl: "/p", pollInMs: 3 * dayMs }), dayMs, dayMs],
    ["a callback, no heartbeat", { deadlineMs: 60_000 }, accepted(), 60_001, 60_000],
    [
      "a callback, a heartbeat beyond it",
      { deadlineMs: 60_000, heartbeatTimeoutMs: 90_000 },
      accepted(),
      60_001,
      60_000,
    ],
    [
      "a poll beyond it",
      { deadlineMs: 60_000 },
      accepted({ pollUrl: "/p", pollInMs: 90_000 }),
      60_001,
      60_000,
    ],
    ["a probe", {}, lostAnswer, 500, dayMs],
    ["a probe beyond it", { deadlineMs: 300 }, lostAnswer, 301, 300],
  ];
  for (const [what, policy, event, wakeMs, deadlineMs] of waits)
    it(`bounds ${what}, ${policy.deadlineMs ? "by the route's" : "by a day where there is none"}: then it fails as a dead letter`, async () => {
      const onUnknown = { cut: "probe", timeout: "fail", lost: "fail", answered: "fail" } as const;
      const w = worldOf({ onUnknown, probe: { path: "/probe", intervalMs: 500 }, ...policy });
      const waiting = await w.apply(await w.begin(), event);
      expect(waiting).to.include({
        phase: "awaiting-callback",
        owner: null,
        wakeAt: w.clock.now() + wakeMs,
        deadlineAt: w.clock.now() + deadlineMs,
      });
      w.clock.advance(deadlineMs + 1);
      expect(dutyOf(waiting, w.clock.now())).to.equal("fail");
      expect(await w.apply(waiting, { type: "overdue" })).to.include({
        status: "failed",
        executed: "unknown",
        problem: "deadline-exceeded",
        released: false,
        deadLetter: "callback",
      });
      expect((await w.processes.begin(w.request())).verdict).to.equal("replay");
    });
});

describe("a service's silence", () => {
  const beat = (over: { extendMs?: number; percent?: number; message?: string } = {}): ProcessEvent => ({
    type: "heartbeat",
    attempt: 1,
    percent: over.percent ?? null,
    message: over.message ?? null,
    extendMs: over.extendMs ?? null,
  });
  const rows: readonly [heartbeatMs: number | null, extendMs: number | undefined, wakeMs: number | null][] = [
    [5000, undefined, 5000],
    [5000, 3000, 5000],
    [5000, 8000, 8000],
    [5000, 90_000, 60_001 - 1000],
    [null, 3000, 3000],
    [null, 1, 1],
    [null, undefined, null],
  ];
  for (const [heartbeatTimeoutMs, extendMs, wakeMs] of rows)
    it(`of ${heartbeatTimeoutMs} ms is allowed for ${wakeMs ?? "as long as before"} after a sign of life that asks for ${extendMs}`, async () => {
      const w = worldOf({ heartbeatTimeoutMs, deadlineMs: 60_000 });
      const waiting = await w.apply(await w.begin(), accepted());
      w.clock.advance(1000);
      const after = await w.apply(waiting, beat(extendMs === undefined ? {} : { extendMs }));
      expect(after.heartbeatAt).to.equal(w.clock.now());
      expect(after.wakeAt).to.equal(wakeMs === null ? waiting.wakeAt : w.clock.now() + wakeMs);
    });

  it("is no alarm's while the attempt is out, is polled or waits: a sign of life moves none of theirs", async () => {
    for (const steps of [[], [accepted({ pollUrl: "/p", pollInMs: 300 })]]) {
      const w = worldOf({ heartbeatTimeoutMs: 5000 });
      let record = await w.begin();
      for (const step of steps) record = await w.apply(record, step);
      w.clock.advance(100);
      expect(await w.apply(record, beat({ extendMs: 9000 }))).to.include({ wakeAt: record.wakeAt });
    }
  });

  it("is broken by a number, by a word or by both, and each stays until it is said anew", async () => {
    const w = worldOf({ heartbeatTimeoutMs: 5000 });
    const waiting = await w.apply(await w.begin(), accepted());
    const first = await w.apply(waiting, beat({ percent: 0 }));
    expect(first).to.include({ progressPercent: 0, progressMessage: null });
    const second = await w.apply(first, beat({ message: "half" }));
    expect(second).to.include({ progressPercent: 0, progressMessage: "half" });
    expect(await w.apply(second, beat({ percent: 100 }))).to.include({
      progressPercent: 100,
      progressMessage: "half",
    });
  });
});
