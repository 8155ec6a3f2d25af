import { expect } from "chai";
import { dutyOf } from "@sticky-proxy/core/process";
import { applied, done, policy, start, world } from "./testing.ts";

describe("a re-run, and what moves aside for it", () => {
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
});
