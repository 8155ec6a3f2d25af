import { expect } from "chai";
import type { ProcessEvent } from "@sticky-proxy/core/process";
import { applied, done, lost, response, start, unreachable, world } from "./testing.ts";

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

  it("tells of an owner whose answer comes after another one's has counted", async () => {
    const w = world();
    const record = await start(w);
    await applied(w, record, done(1));
    expect(w.refused).to.deep.equal([]);
    const late = await w.processes.apply(record, { ...done(1), status: 500 } as ProcessEvent);
    expect(late.kind).to.equal("refused");
    expect(w.refused).to.deep.equal(["responded"]);
  });

  it("verdict: another payload under the key is a mismatch even while it runs; a released one is not", async () => {
    const w = world();
    const other = { ...w.request, claim: { ...w.request.claim, fingerprint: "g" } };
    const record = await start(w);
    expect((await w.processes.begin(other)).verdict).to.equal("mismatch");
    await applied(w, record, lost(1, "cut"));
    expect((await w.processes.begin(other)).verdict).to.equal("start");
  });

  it("200 begins of one scope make one process", async () => {
    const w = world();
    const begun = await Promise.all(Array.from({ length: 200 }, () => w.processes.begin(w.request)));
    expect(begun.filter((b) => b.verdict === "start")).to.have.length(1);
    expect(begun.filter((b) => b.verdict === "join")).to.have.length(199);
  });
});
