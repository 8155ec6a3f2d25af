import { asScope } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { dutyOf, type ProcessRecord } from "@sticky-proxy/core/process";
import { applied, deadLetterMs, done, lost, policy, start, world } from "./testing.ts";

describe("how long a process is kept", () => {
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

  it("does not ring before the result's end when a dead letter is discarded", async () => {
    const w = world();
    const dead = await applied(w, await start(w), lost(1, "timeout"));
    const discarded = await applied(w, dead, { type: "discarded" });
    expect(discarded).to.include({ deadLetter: null, wakeAt: w.now() + 100_000 });
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
});
