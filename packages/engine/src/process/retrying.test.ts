import { asEpochMs } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { dutyOf, transition, viewOf } from "@sticky-proxy/core/process";
import { applied, deadLetterMs, lost, response, start, unreachable, world } from "./testing.ts";

describe("how a process is tried again", () => {
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
});
