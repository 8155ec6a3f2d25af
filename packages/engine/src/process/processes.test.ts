import { asEpochMs, asScope } from "@sticky-proxy/protocol";
import { expect } from "chai";
import fc from "fast-check";
import type { ProcessPolicy } from "@sticky-proxy/core/registry";
import {
  dutyOf,
  type Rules,
  isTerminal,
  type ProcessRecord,
  transition,
  type ProcessEvent,
  viewOf,
} from "@sticky-proxy/core/process";
import { createTestWorld } from "@sticky-proxy/core/testing";
import { createTestProcesses } from "../testing.ts";

const policy: ProcessPolicy = {
  identity: "key",
  key: "required",
  waitMs: 60_000,
  onWaitEnd: "timeout",
  completion: "response",
  onDuplicate: "join",
  allowOnDuplicate: ["join", "reject", "replace"],
  force: true,
  leaseMs: 1000,
  deadlineMs: 60_000,
  heartbeatTimeoutMs: 5000,
  resultTtlMs: 100_000,
  resultTtlByClass: {},
  tombstoneMs: 50_000,
  maxResultBytes: 1 << 20,
  onUnknown: { cut: "release", timeout: "fail", lost: "fail", answered: "fail" },
  restartCancelled: false,
  keepServerErrors: true,
  notExecutedStatuses: [425, 429, 503],
  refusedStatuses: [401, 409],
  failedWhen: null,
  fingerprintHeaders: [],
  storedHeaders: [],
  callback: { inject: { query: null, json: null, header: null }, accept: null, correlate: null },
  pollLocation: null,
  cancelHook: null,
  probe: { path: "/probe", intervalMs: 500 },
  keepRequest: true,
};

const deadLetterMs = 30 * 24 * 3_600_000;

function world(overrides: Partial<ProcessPolicy> = {}, rest: Partial<Omit<Rules, "policy">> = {}) {
  const base = createTestWorld({
    policy: { ...policy, ...overrides },
    retries: { attempts: 3, minMs: 100, maxMs: 2000 },
    ...rest,
  });
  const seen: [string | null, string][] = [];
  const refused: string[] = [];
  const { processes, apply } = createTestProcesses(base, {
    onTransition: (from, to) => seen.push([from?.status ?? null, to.status]),
    onRefused: (_record, event) => refused.push(event),
    deadLetterMs,
  });
  return { ...base, ...base.clock, processes, apply, request: base.request(), seen, refused };
}

const response = (status: number, text = "x") => ({ status, headers: [], body: Buffer.from(text) });
const done = (attempt: number, status = 200): ProcessEvent => ({
  type: "responded",
  attempt,
  status,
  result: { id: "r1", response: response(status) },
  retryAfterMs: null,
});
const lost = (attempt: number, unknown: "cut" | "timeout" | "lost" = "cut"): ProcessEvent => ({
  type: "failed",
  attempt,
  executed: "unknown",
  unknown,
  slug: "upstream-timeout",
  reason: "connection_terminated",
  retryAfterMs: null,
});
const unreachable = (attempt: number): ProcessEvent => ({
  type: "failed",
  attempt,
  executed: "no",
  unknown: "cut",
  slug: "upstream-unreachable",
  reason: "connection_refused",
  retryAfterMs: null,
});

async function start(w: ReturnType<typeof world>): Promise<ProcessRecord> {
  const begun = await w.processes.begin(w.request);
  expect(begun.verdict).to.equal("start");
  return begun.record;
}
const applied = (w: ReturnType<typeof world>, record: ProcessRecord, event: ProcessEvent) =>
  w.apply(record, event);

describe("the state machine", () => {
  it("runs a request from begin to a stored result that the same key replays", async () => {
    const w = world();
    const record = await start(w);
    expect(record).to.include({ status: "in-progress", phase: "forwarding", owner: "n1", attempt: 1 });
    const end = await applied(w, record, done(1, 201));
    expect(end).to.include({
      status: "completed",
      owner: null,
      executed: "yes",
      httpStatus: 201,
      phase: null,
    });
    const again = await w.processes.begin(w.request);
    expect(again.verdict).to.equal("replay");
    expect((again as { result: { status: number } }).result.status).to.equal(201);
  });

  it("P1: a process that is being forwarded is not dispatched again", async () => {
    const w = world();
    const record = await start(w);
    const answer = await w.processes.apply(record, { type: "dispatched", owner: "n2" });
    expect(answer).to.include({ kind: "refused", slug: "process-running" });
  });

  it("P2: an owner whose attempt was taken over cannot end the process with its late answer", async () => {
    const w = world({ onUnknown: { cut: "release", timeout: "fail", lost: "retry", answered: "retry" } });
    const first = await start(w);
    w.advance(1001);
    const backing = await applied(w, first, { type: "lease-ended" });
    expect(backing).to.include({ phase: "backing-off", owner: null });
    const second = await applied(w, backing, { type: "dispatched", owner: "n2" });
    expect(second.fence).to.be.greaterThan(first.fence);
    const late = await w.processes.apply(first, done(1));
    expect(late).to.include({ kind: "refused", slug: "execution-stale" });
    expect((await w.processes.read(first, { withResult: true })).result).to.equal(null);
  });

  it("P2: a take-over is refused when the lease was renewed in between", async () => {
    const w = world();
    const record = await start(w);
    w.advance(1001);
    expect(await w.store.renew([{ ...record, owner: "n1" }])).to.deep.equal([]);
    const answer = await w.processes.apply(record, { type: "lease-ended" }, { ifDue: true });
    expect(answer.kind).to.equal("not-due");
  });

  it("P8: a request that never reached the service leaves its identity free", async () => {
    const w = world({}, { retries: { attempts: 1, minMs: 1, maxMs: 1 } });
    const end = await applied(w, await start(w), unreachable(1));
    expect(end).to.include({ status: "failed", executed: "no", released: true, deadLetter: null });
    expect((await w.processes.begin(w.request)).verdict).to.equal("start");
  });

  it("P8: an attempt that was not executed takes nothing back of an earlier one that may have been", async () => {
    const retries = { attempts: 2, minMs: 1, maxMs: 1 };
    const w = world(
      { onUnknown: { cut: "retry", timeout: "retry", lost: "retry", answered: "retry" } },
      { retries },
    );
    const backing = await applied(w, await start(w), lost(1));
    const second = await applied(w, backing, { type: "dispatched", owner: "n1" });
    const end = await applied(w, second, unreachable(2));
    expect(end).to.include({ status: "failed", executed: "unknown", released: false });
  });

  it("retries what did not execute, keeps the lease for a short wait, and hands a long one to the alarm", async () => {
    const w = world();
    const short = await applied(w, await start(w), unreachable(1));
    expect(short).to.include({ phase: "backing-off", owner: "n1", nextAttemptAt: w.now() + 100 });
    const second = await applied(w, short, { type: "dispatched", owner: "n1" });
    const paced = await applied(w, second, {
      type: "responded",
      attempt: 2,
      status: 429,
      result: { id: "r", response: response(429) },
      retryAfterMs: 3000,
    });
    expect(paced).to.include({
      phase: "backing-off",
      owner: null,
      wakeAt: w.now() + 3000,
      resultPayload: null,
    });
    expect(dutyOf(paced, w.now() + 3000)).to.equal("dispatch");
  });

  it("replays the service's own 429 to this client, releases the identity and keeps a dead letter when attempts run out", async () => {
    const w = world({}, { retries: { attempts: 2, minMs: 1, maxMs: 1 } });
    const backing = await applied(w, await start(w), unreachable(1));
    const second = await applied(w, backing, { type: "dispatched", owner: "n1" });
    const end = await applied(w, second, {
      type: "responded",
      attempt: 2,
      status: 429,
      result: { id: "r", response: response(429) },
      retryAfterMs: null,
    });
    expect(end).to.include({
      status: "failed",
      executed: "no",
      released: true,
      httpStatus: 429,
      resultPayload: "r",
      deadLetter: "upstream",
    });
  });

  it("an end is retryable where its identity is free, and only there: what is kept is replayed", async () => {
    const retryable = async (onUnknown: "fail" | "release"): Promise<unknown> => {
      const w = world({
        onUnknown: { cut: onUnknown, timeout: onUnknown, lost: onUnknown, answered: onUnknown },
      });
      return viewOf(await applied(w, await start(w), lost(1)), "").outcome;
    };
    expect(await retryable("release")).to.have.nested.property("problem.retryable", true);
    expect(await retryable("fail")).to.have.nested.property("problem.retryable", false);
    const w = world();
    const cancelled = await applied(w, await start(w), { type: "cancelled" });
    expect(viewOf(cancelled, "").outcome).to.have.nested.property("problem.retryable", false);
  });

  it("a wait that is postponed stays with its owner while it is short, and ends at the deadline all the same", async () => {
    const w = world();
    const record = await start(w);
    const waiting = await applied(w, record, unreachable(1));
    const short = await applied(w, waiting, { type: "postponed", ms: 400, owner: "n1" });
    expect(short).to.include({ phase: "backing-off", owner: "n1", nextAttemptAt: w.now() + 400, attempt: 1 });
    const orphaned = transition(
      short,
      { type: "postponed", ms: 400, owner: null }, // by a sweeper: its owner is gone
      { ...w.rules, now: w.now(), random: 0, deadLetterMs },
    );
    expect(orphaned).to.have.nested.property("change.set.owner", null);
    expect(orphaned).to.have.nested.property("change.spans.wakeAt", 400);
    const long = await applied(w, short, { type: "postponed", ms: 20_000, owner: "n1" });
    expect(long).to.include({ owner: null, wakeAt: w.now() + 20_000, nextAttemptAt: w.now() + 20_000 });
    const last = await applied(w, long, { type: "postponed", ms: 90_000, owner: null });
    w.advance(last.wakeAt! - w.now());
    expect(dutyOf(last, w.now())).to.equal("fail");
    expect(
      await applied(w, last, { type: "postponed", ms: 90_000, owner: null }),
      "failed, not postponed again",
    ).to.include({ status: "failed", executed: "no", problem: "deadline-exceeded" });
    const running = await start(world());
    expect(
      transition(
        running,
        { type: "postponed", ms: 1, owner: null },
        { ...w.rules, now: asEpochMs(0), random: 0, deadLetterMs },
      ),
    ).to.include({ kind: "refuse", slug: "process-running" });
  });

  it("the request, with its credentials, is kept after the end only while somebody can need it", async () => {
    const w = world({
      keepRequest: false,
      onUnknown: { cut: "fail", timeout: "fail", lost: "fail", answered: "fail" },
    });
    const isKept = async (record: ProcessRecord): Promise<boolean> =>
      (await w.store.readRequest(record)) !== null;
    const running = await start(w);
    expect(await isKept(running)).to.equal(true);
    const dead = await applied(w, running, lost(1));
    expect(dead.deadLetter).to.equal("upstream");
    expect(await isKept(dead), "to be redriven").to.equal(true);
    expect(await isKept(await applied(w, dead, { type: "discarded" }))).to.equal(false);

    const copied = (await w.processes.begin({ ...w.request, scope: asScope("copied"), mirror: true })).record;
    const ended = await applied(w, copied, done(1));
    expect(await isKept(ended), "to be copied").to.equal(true);
    expect(await isKept(await applied(w, ended, { type: "mirrored" }))).to.equal(false);

    // What two need stays until neither does, whoever is done first.
    for (const [first, second] of [
      ["mirrored", "discarded"],
      ["discarded", "mirrored"],
    ] as const) {
      const scope = asScope(`both-${first}`);
      const both = (await w.processes.begin({ ...w.request, scope, mirror: true })).record;
      const once = await applied(w, await applied(w, both, lost(1)), { type: first });
      expect(await isKept(once), first).to.equal(true);
      const twice = await applied(w, once, { type: second });
      expect(await isKept(twice), `${first}, ${second}`).to.equal(false);
      expect(twice).to.include({ deadLetter: null, mirror: "done" });
    }

    const plain = (await w.processes.begin({ ...w.request, scope: asScope("plain") })).record;
    expect(await isKept(await applied(w, plain, done(1)))).to.equal(false);
  });

  it("a cancel between two attempts says what is known: nothing is with the service", async () => {
    const w = world();
    const waiting = await applied(w, await start(w), unreachable(1));
    expect(waiting).to.include({ phase: "backing-off", executed: "no" });
    const sent = await applied(w, waiting, { type: "dispatched", owner: "n" });
    const c = { ...w.rules, now: w.now(), random: 0.5, deadLetterMs };
    for (const [record, executed] of [
      [waiting, "no"],
      [sent, "unknown"],
    ] as const) {
      const decided = transition(record, { type: "cancelled" }, c);
      expect(decided.kind === "change" && decided.change.set).to.include({ executed });
    }
  });

  for (const [unknown, word, expected] of [
    ["cut", "release", { status: "failed", executed: "unknown", released: true, deadLetter: null }],
    ["timeout", "fail", { status: "failed", executed: "unknown", released: false, deadLetter: "upstream" }],
    ["lost", "retry", { status: "in-progress", phase: "backing-off" }],
    ["lost", "probe", { status: "in-progress", phase: "awaiting-callback", pollUrl: "/probe", owner: null }],
  ] as const) {
    it(`treats an unknown outcome (${unknown}) as the route says: ${word}`, async () => {
      const w = world({
        onUnknown: { cut: "release", timeout: "fail", lost: "fail", answered: "fail", [unknown]: word },
      });
      expect(await applied(w, await start(w), lost(1, unknown))).to.include(expected);
    });
  }

  it("a callback that outruns the service's own 202 counts, and the answer in hand is refused", async () => {
    const w = world({ completion: "callback" });
    const record = await start(w);
    const end = await applied(w, record, {
      type: "called-back",
      attempt: 1,
      status: 200,
      result: { id: "cb", response: response(200) },
      message: null,
    });
    expect(end).to.include({ status: "completed", resultPayload: "cb" });
    const late = await w.processes.apply(record, {
      type: "accepted",
      attempt: 1,
      status: 202,
      jobId: null,
      pollUrl: null,
      pollInMs: null,
    });
    expect(late).to.include({ kind: "refused", slug: "process-terminal" });
  });

  it("P10: the same report again is a duplicate, another one after the end is stale", async () => {
    const w = world();
    const record = await start(w);
    const report = (id: string, message: string | null = null): ProcessEvent => ({
      type: "called-back",
      attempt: 1,
      status: 200,
      result: { id, response: response(200, id) },
      message,
    });
    const end = await applied(w, record, report("a", "m"));
    expect((await w.processes.apply(end, report("a"))).kind).to.equal("same");
    expect((await w.processes.apply(end, report("b", "m"))).kind, "the same message").to.equal("same");
    expect(await w.processes.apply(end, report("b"))).to.include({
      kind: "refused",
      slug: "execution-stale",
    });
    expect((await w.processes.read(end, { withResult: true })).record).to.include({ resultPayload: "a" });
  });

  it("P10: a failure that was reported already does not start its backoff again, nor count for the next attempt", async () => {
    const w = world({ completion: "callback" });
    const report = (attempt: number, message: string | null): ProcessEvent => ({
      type: "reported-failure",
      attempt,
      retryable: true,
      executed: "no",
      reason: "busy",
      result: { id: "f", response: response(502) },
      message,
    });
    const waiting = await applied(w, await start(w), report(1, "m1"));
    expect(waiting).to.include({ phase: "backing-off" });
    for (const message of ["m1", "m2", null])
      expect((await w.processes.apply(waiting, report(1, message))).kind).to.equal("same");
    const second = await applied(w, waiting, { type: "dispatched", owner: "n" });
    expect((await w.processes.apply(second, report(1, "m1"))).kind, "the same message").to.equal("same");
    expect(await w.processes.apply(second, report(1, "m2"))).to.include({ slug: "execution-stale" });
    expect(await applied(w, second, report(2, "m3"))).to.include({ phase: "backing-off", attempt: 2 });
  });

  it("fails a process whose callback never came, with a dead letter of class callback", async () => {
    const w = world({ completion: "callback" });
    const waiting = await applied(w, await start(w), {
      type: "accepted",
      attempt: 1,
      status: 202,
      jobId: "j",
      pollUrl: null,
      pollInMs: null,
    });
    expect(waiting).to.include({ phase: "awaiting-callback", owner: null, wakeAt: w.now() + 5000 });
    w.advance(3000);
    const beat = await applied(w, waiting, {
      type: "heartbeat",
      attempt: 1,
      percent: 40,
      message: "rendering",
      extendMs: null,
    });
    expect(beat).to.include({ progressPercent: 40, wakeAt: w.now() + 5000 });
    w.advance(5000);
    expect(dutyOf(beat, w.now())).to.equal("fail");
    expect(await applied(w, beat, { type: "overdue" })).to.include({
      status: "failed",
      executed: "unknown",
      deadLetter: "callback",
    });
  });

  it("fails, kept and as a dead letter, what a probe did not find: no second probe, no second dispatch", async () => {
    const w = world({ onUnknown: { cut: "probe", timeout: "retry", lost: "retry", answered: "retry" } });
    const probing = await applied(w, await start(w), lost(1));
    expect(probing).to.include({ phase: "awaiting-callback", pollUrl: "/probe", executed: "unknown" });
    expect(await applied(w, probing, { type: "overdue" })).to.include({
      status: "failed",
      executed: "unknown",
      released: false,
      deadLetter: "callback",
    });
  });

  it("keeps a process as long as its notification is still to be tried, and as a dead letter when it is not", async () => {
    const w = world();
    const { record } = await w.processes.begin({ ...w.request, notify: "hook" });
    const end = await applied(w, record, done(1));
    expect(end.keepUntil! - w.now()).to.be.lessThan(86_400_000);
    const day = 24 * 3_600_000;
    const again = await applied(w, end, { type: "notified", delivered: false, retryInMs: day });
    expect(again).to.include({ notifyState: "pending", notifyAttempt: 1, wakeAt: w.now() + day });
    expect(again.keepUntil).to.be.greaterThan(w.now() + day);
    w.advance(day);
    const dead = await applied(w, again, { type: "notified", delivered: false, retryInMs: null });
    expect(dead).to.include({ notifyState: "failed", deadLetter: "callback" });
    expect(dead.keepUntil).to.be.greaterThan(w.now() + 29 * day);
    const told = await applied(w, dead, { type: "notify-again" });
    expect(told).to.include({ notifyState: "pending", notifyAttempt: 0, deadLetter: null, wakeAt: w.now() });
    expect(dutyOf(told, w.now())).to.equal("deliver");
    expect((await w.processes.apply(told, { type: "notify-again" })).kind).to.equal("same");
  });

  it("keeps a dead letter for as long as it is told to, whatever the result's TTL", async () => {
    const w = world();
    const dead = await applied(w, await start(w), lost(1, "timeout"));
    expect(dead.deadLetter).to.equal("upstream");
    expect(dead.keepUntil! - w.now()).to.be.greaterThan(deadLetterMs);
    w.advance(deadLetterMs - 1);
    const kept = await applied(w, dead, { type: "expired" });
    expect(kept).to.include({ expired: false, deadLetter: "upstream", wakeAt: w.now() + 1 });
    w.advance(1);
    expect(await applied(w, kept, { type: "expired" })).to.include({ expired: true, deadLetter: null });
  });

  it("tells of an owner whose answer comes after another one's has counted", async () => {
    const w = world();
    const record = await start(w);
    await applied(w, record, done(1));
    expect(w.refused).to.deep.equal([]);
    const late = await w.processes.apply(record, { ...done(1), status: 500 } as ProcessEvent);
    expect(late.kind).to.equal("refused");
    expect(w.refused).to.deep.equal(["responded"]);
  });

  it("does not ring before the result's end when a dead letter is discarded", async () => {
    const w = world();
    const dead = await applied(w, await start(w), lost(1, "timeout"));
    const discarded = await applied(w, dead, { type: "discarded" });
    expect(discarded).to.include({ deadLetter: null, wakeAt: w.now() + 100_000 });
  });

  it("leaves a re-run to the sweeper where this node cannot dispatch", async () => {
    const w = world();
    const end = await applied(w, await start(w), done(1));
    const begun = await w.processes.rerun(end, { cancelRunning: false, dispatch: "by-alarm" });
    if (begun.verdict !== "start") throw new Error(begun.verdict);
    expect(begun.record).to.include({
      status: "pending",
      phase: null,
      owner: null,
      attempt: 0,
      startedAt: null,
    });
    expect(begun.record).to.include({ wakeAt: w.now(), rerunOf: end.epoch });
    expect(dutyOf(begun.record, w.now())).to.equal("dispatch");
    const sent = await applied(w, begun.record, { type: "dispatched", owner: "n2" });
    expect(sent).to.include({ phase: "forwarding", attempt: 1, owner: "n2", startedAt: w.now() });
  });

  it("a re-run of a paused service waits for the pause's end, and its execution does not begin before", async () => {
    const w = world();
    const end = await applied(w, await start(w), done(1));
    for (const [pausedMs, owner] of [
      [400, "n1"],
      [20_000, null],
    ] as const) {
      const again = await w.processes.rerun(end, { cancelRunning: true, pausedMs });
      if (again.verdict !== "start") throw new Error(again.verdict);
      expect(again.record).to.include({
        status: "pending",
        attempt: 0,
        startedAt: null,
        owner,
        nextAttemptAt: w.now() + pausedMs,
        wakeAt: w.now() + (owner === null ? pausedMs : policy.leaseMs),
      });
    }
  });

  it("a re-run keeps what its process was asked for with: payload, credential, webhook, mirror, trace and operation", async () => {
    const w = world();
    const claim = { ...w.request.claim, fingerprint: "print", credential: "secret" };
    const asked = { ...w.request, claim, mirror: true, notify: "hook", traceparent: "trace", principal: "t" };
    const begun = await w.processes.begin(asked);
    const end = await applied(w, begun.record, done(1));
    for (const dispatch of ["here", "by-alarm"] as const) {
      const again = await w.processes.rerun(end, { cancelRunning: true, dispatch });
      if (again.verdict !== "start") throw new Error(again.verdict);
      expect(again.record).to.include({
        fingerprint: "print",
        credential: "secret",
        mirror: "pending",
        notify: "hook",
        traceparent: "trace",
        principal: "t",
        operation: end.operation,
        service: end.service,
        route: end.route,
        identity: end.identity,
        rerunOf: end.epoch,
      });
      // At hand with the record, so that nothing stands between the dispatch and the execution.
      expect(again.request).to.deep.equal(asked.request);
      expect(await w.store.readRequest(again.record)).to.deep.equal(asked.request);
    }
  });

  it("re-runs only what is still the scope's last word when asked to", async () => {
    const w = world();
    const first = await applied(w, await start(w), done(1));
    const second = await w.processes.rerun(first, { cancelRunning: false });
    if (second.verdict !== "start") throw new Error(second.verdict);
    await applied(w, second.record, done(1));
    const third = await w.processes.rerun(first, { cancelRunning: false, onlyIfLast: true });
    expect(third.verdict).to.equal("superseded");
    if (third.verdict === "superseded") expect(third.record.epoch).to.equal(second.record.epoch);
  });

  it("force supersedes a running process: it becomes cancelled, names its successor and stays readable", async () => {
    const w = world();
    const first = await start(w);
    const begun = await w.processes.begin({ ...w.request, claim: { ...w.request.claim, force: true } });
    expect(begun.verdict).to.equal("start");
    expect(begun.record.epoch).to.be.greaterThan(first.epoch);
    const old = (await w.processes.read(first, { withResult: false })).record!;
    expect(old).to.include({ status: "cancelled", supersededBy: begun.record.epoch, owner: null });
    expect(await w.processes.apply(first, done(1))).to.include({ kind: "refused", slug: "process-terminal" });
  });

  it("verdict: another payload under the key is a mismatch even while it runs; a released one is not", async () => {
    const w = world();
    const other = { ...w.request, claim: { ...w.request.claim, fingerprint: "g" } };
    const record = await start(w);
    expect((await w.processes.begin(other)).verdict).to.equal("mismatch");
    await applied(w, record, lost(1, "cut"));
    expect((await w.processes.begin(other)).verdict).to.equal("start");
  });

  it("verdict: an expired result counts as gone although no sweeper has been there", async () => {
    const w = world();
    await applied(w, await start(w), done(1));
    w.advance(policy.resultTtlMs);
    expect((await w.processes.begin(w.request)).verdict).to.equal("start");
  });

  it("turns a result into a tombstone at its expiry, then asks for the purge", async () => {
    const w = world();
    const end = await applied(w, await start(w), done(1));
    w.advance(policy.resultTtlMs);
    expect(dutyOf(end, w.now())).to.equal("expire");
    const tomb = await applied(w, end, { type: "expired" });
    expect(tomb).to.include({ expired: true, resultPayload: null, status: "completed" });
    expect((await w.processes.read(tomb, { withResult: true })).result).to.equal(null);
    w.advance(policy.tombstoneMs);
    expect(dutyOf(tomb, w.now())).to.equal("purge");
    expect(await w.store.purge(tomb)).to.equal(true);
    expect(w.store.all()).to.deep.equal([]);
  });

  it("200 begins of one scope make one process", async () => {
    const w = world();
    const begun = await Promise.all(Array.from({ length: 200 }, () => w.processes.begin(w.request)));
    expect(begun.filter((b) => b.verdict === "start")).to.have.length(1);
    expect(begun.filter((b) => b.verdict === "join")).to.have.length(199);
  });

  it("keeps P1 to P10 over every sequence of events, duties and time", async () => {
    const event = fc.oneof(
      fc.constant({ type: "dispatched", owner: "n2" } as ProcessEvent),
      fc
        .record({ attempt: fc.integer({ min: 0, max: 4 }), status: fc.constantFrom(200, 404, 429, 500, 503) })
        .map(
          (x) =>
            ({
              type: "responded",
              ...x,
              result: { id: `r${x.status}`, response: response(x.status) },
              retryAfterMs: x.status === 503 ? 50 : null,
            }) as ProcessEvent,
        ),
      fc.record({ attempt: fc.integer({ min: 0, max: 4 }) }).map(
        (x) =>
          ({
            type: "accepted",
            ...x,
            status: 202,
            jobId: null,
            pollUrl: null,
            pollInMs: null,
          }) as ProcessEvent,
      ),
      fc
        .record({
          attempt: fc.integer({ min: 0, max: 4 }),
          unknown: fc.constantFrom("cut", "timeout", "lost"),
        })
        .map((x) => lost(x.attempt, x.unknown as "cut")),
      fc.integer({ min: 0, max: 4 }).map(unreachable),
      fc.record({ attempt: fc.integer({ min: 0, max: 4 }), id: fc.constantFrom("a", "b") }).map(
        (x) =>
          ({
            type: "called-back",
            attempt: x.attempt,
            status: 200,
            result: { id: x.id, response: response(200, x.id) },
            message: null,
          }) as ProcessEvent,
      ),
      fc.record({ attempt: fc.integer({ min: 0, max: 4 }), retryable: fc.boolean() }).map(
        (x) =>
          ({
            type: "reported-failure",
            ...x,
            executed: "no",
            reason: "x",
            result: { id: "f", response: response(502) },
            message: null,
          }) as ProcessEvent,
      ),
      fc
        .integer({ min: 0, max: 4 })
        .map(
          (attempt) =>
            ({ type: "heartbeat", attempt, percent: 1, message: null, extendMs: 10 }) as ProcessEvent,
        ),
      fc.constantFrom(
        { type: "cancelled" },
        { type: "postponed", ms: 700, owner: null },
        { type: "lease-ended" },
        { type: "overdue" },
        { type: "expired" },
        { type: "mirrored" },
        { type: "discarded" },
        { type: "notified", delivered: true, retryInMs: null },
        { type: "notified", delivered: false, retryInMs: 70_000_000 },
        { type: "notified", delivered: false, retryInMs: null },
        { type: "notify-again" },
        { type: "still-running", pollInMs: 20 },
      ) as fc.Arbitrary<ProcessEvent>,
    );
    // The alarm's own time, and then what it rings for: without it few sequences get past a result's end.
    const step: fc.Arbitrary<ProcessEvent | number | "alarm"> = fc.oneof(
      { weight: 4, arbitrary: event },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 40_000 }) },
      { weight: 3, arbitrary: fc.constant("alarm" as const) },
    );
    const reached = {
      ended: 0,
      expired: 0,
      tombstone: 0,
      purgeable: 0,
      keptForDeadLetter: 0,
      keptForMirror: 0,
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.constantFrom("release", "fail", "retry", "probe"),
        fc.boolean(),
        fc.boolean(),
        async (steps, onUnknown, mirror, honoursKey) => {
          const w = world(
            {
              onUnknown: {
                cut: onUnknown,
                timeout: onUnknown,
                lost: onUnknown,
                answered: onUnknown,
              } as ProcessPolicy["onUnknown"],
            },
            { honoursKey },
          );
          const begun = await w.processes.begin({ ...w.request, mirror, notify: "hook" });
          let record = begun.record;
          async function move(event: ProcessEvent): Promise<void> {
            const before = record;
            const answer = await w.processes.apply(record, event);
            if (answer.kind === "gone") throw new Error("nothing purges here");
            record = answer.record;
            check(before, record, event, w.now(), w.rules.policy);
            if (!isTerminal(before.status) && isTerminal(record.status)) reached.ended += 1;
            if (!before.expired && record.expired) reached.expired += 1;
            if (before.expired) reached.tombstone += 1;
            if (event.type === "expired" && !record.expired && record.deadLetter !== null)
              reached.keptForDeadLetter += 1;
            if (event.type === "expired" && !record.expired && record.mirror === "pending")
              reached.keptForMirror += 1;
          }
          for (const s of steps) {
            if (typeof s === "number") w.advance(s);
            else if (s !== "alarm") await move(s);
            else {
              const at = record.expired ? record.wakeAt! : Math.max(record.wakeAt!, record.expireAt ?? 0);
              w.advance(Math.max(0, at - w.now()));
              const duty = dutyOf(record, w.now());
              if (duty === "purge") reached.purgeable += 1;
              else if (isTerminal(record.status)) await move({ type: "expired" });
              else await move({ type: record.owner === null ? "overdue" : "lease-ended" });
            }
          }
        },
      ),
      { numRuns: 500 },
    );
    // The run means something only where it came to these states often.

    for (const [state, times] of Object.entries(reached)) expect(times, state).to.be.at.least(10);
  });

  it("decides without looking at a clock: the same inputs give the same change", () => {
    const record = { status: "in-progress", phase: "forwarding", attempt: 1, owner: "n1", leaseMs: 1000 };
    const c = {
      now: asEpochMs(5),
      policy,
      retries: { attempts: 1, minMs: 1, maxMs: 1 },
      honoursKey: false,
      random: 0,
      deadLetterMs: 9,
    };
    const once = transition(record as ProcessRecord, done(1), c);
    expect(transition(record as ProcessRecord, done(1), c)).to.deep.equal(once);
  });
});

function check(
  before: ProcessRecord,
  after: ProcessRecord,
  event: ProcessEvent,
  now: number,
  p: ProcessPolicy,
): void {
  const told = `${event.type}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`;
  if (after.fence !== before.fence) {
    expect(event.type, `P1 ${told}`).to.equal("dispatched");
    expect(before.phase, `P1 ${told}`).to.be.oneOf(["backing-off", null]);
  }
  expect(after.fence, `P5 ${told}`).to.be.at.least(before.fence);
  expect(after.attempt, `P5 ${told}`).to.be.at.least(before.attempt);
  expect(after.attempt, `attempts are bounded ${told}`).to.be.at.most(3);
  if (isTerminal(before.status)) expect(after.status, `P3 ${told}`).to.equal(before.status);
  if (after.phase !== "forwarding" && after.phase !== "backing-off" && after.status !== "pending") {
    expect(after.owner, `P4 ${told}`).to.equal(null);
  }
  if (before.executed === "unknown" || before.executed === "yes")
    expect(after.executed, `P8 ${told}`).to.not.equal("no");
  expect(after.wakeAt, `P6 ${told}`).to.be.a("number");
  if (!before.expired && after.expired) {
    expect(after.wakeAt, `P6: the tombstone's end ${told}`).to.equal(now + p.tombstoneMs);
    expect(after.keepUntil, `P7: a margin behind it ${told}`).to.equal(now + p.tombstoneMs + 3_600_000);
    expect(now, `P7: not before its time ${told}`).to.be.at.least(before.expireAt!);
    expect([after.requestPayload, after.resultPayload, after.deadLetter]).to.deep.equal([null, null, null]);
    expect(before.mirror, `P7: a pending copy keeps it ${told}`).to.not.equal("pending");
  }
  if (before.expired) {
    expect(after.expired, `P3 ${told}`).to.equal(true);
    expect(after.requestPayload, `P9 ${told}`).to.equal(null);
  }
  if (event.type === "expired" && after.version !== before.version && !after.expired)
    expect(after.wakeAt, `P6: asked again later ${told}`).to.be.greaterThan(now);
  if (isTerminal(after.status)) {
    expect(after.endedAt, `P7 ${told}`).to.be.a("number");
    expect(after.expireAt, `P7 ${told}`).to.be.a("number");
    expect(after.executed, `P7 ${told}`).to.be.oneOf(["yes", "no", "unknown"]);
    if (after.mirror === "pending") expect(after.keepUntil, `P7 ${told}`).to.equal(null);
    else expect(after.keepUntil, `P7 ${told}`).to.be.at.least(Math.min(after.expireAt!, now + p.tombstoneMs));
    if (after.executed === "no" && after.status === "failed")
      expect(after.released, `P8 ${told}`).to.equal(true);
  } else {
    expect(after.resultPayload, `P9 ${told}`).to.equal(null);
  }
  if (before.resultPayload !== null && !after.expired) {
    expect(after.resultPayload, `P9 ${told}`).to.equal(before.resultPayload);
  }
}
