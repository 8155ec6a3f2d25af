import { asEpochMs, asScope, asMonotonicMs } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { blankRecord, type Change, type ProcessRecord, type Snapshot } from "@sticky-proxy/core/process";
import { createUnacknowledgedCreates } from "./unacknowledged-creates.ts";

describe("unacknowledged creates", () => {
  const create = { partition: 1, scope: asScope("s"), writeId: "w", validUntil: 1000 };
  const ours: ProcessRecord = {
    ...blankRecord,
    scope: asScope("s"),
    version: 1,
    lastWrite: "w",
    status: "in-progress",
  };

  function setUp(answers: (Snapshot | Error)[]) {
    const committed: { base: ProcessRecord; change: Change }[] = [];
    let monotonic = 0;
    const creates = createUnacknowledgedCreates({
      async read() {
        const answer = answers.shift();
        if (answer === undefined || answer instanceof Error) throw answer ?? new Error("read too often");
        return answer;
      },
      async commit(base, change) {
        committed.push({ base, change });
      },
      clock: { monotonic: () => asMonotonicMs((monotonic += 1000)) },
    });
    creates.remember(create);
    return {
      creates,
      committed,
      round: () => creates.settle(),
    };
  }
  const snapshot = (now: number, record: ProcessRecord | null): Snapshot => ({
    now: asEpochMs(now),
    record,
    result: null,
  });

  it("an unacknowledged create that took effect is released as never sent", async () => {
    const { creates, committed, round } = setUp([snapshot(500, ours)]);
    await round();
    expect(creates.size).to.equal(0);
    expect(committed).to.have.length(1);
    expect(committed[0]!.change.set).to.deep.include({
      status: "failed",
      executed: "no",
      released: true,
      owner: null,
    });
  });

  it("an unacknowledged create that may still come is watched until its time limit", async () => {
    const { creates, committed, round } = setUp([
      snapshot(900, null),
      snapshot(1000, null),
      snapshot(1001, null),
    ]);
    await round();
    await round();
    expect(creates.size).to.equal(1);
    await round();
    expect(creates.size).to.equal(0);
    expect(committed).to.have.length(0);
  });

  it("somebody else's process, or one that went on, is left alone", async () => {
    for (const record of [
      { ...ours, lastWrite: "x" },
      { ...ours, version: 2 },
    ]) {
      const { creates, committed, round } = setUp([snapshot(1001, record)]);
      await round();
      expect(creates.size).to.equal(0);
      expect(committed).to.have.length(0);
    }
  });

  it("a round without anything to look after does not stand in the way of the next", async () => {
    const { creates, round } = setUp([snapshot(500, ours), snapshot(1001, null)]);
    await round();
    expect(creates.size).to.equal(0);
    await round();
    creates.remember({ ...create, writeId: "w2" });
    await round();
    expect(creates.size).to.equal(0);
  });

  it("a round with nothing to look after does not stop the later ones", async () => {
    const creates = createUnacknowledgedCreates({
      read: async () => snapshot(500, ours),
      commit: async () => undefined,
      clock: { monotonic: () => asMonotonicMs(0) },
    });
    await creates.settle();
    creates.remember(create);
    await creates.settle();
    expect(creates.size).to.equal(0);
  });

  it("stays remembered while Redis does not answer", async () => {
    const { creates, committed, round } = setUp([new Error("away"), snapshot(500, ours)]);
    await round();
    expect(creates.size).to.equal(1);
    await round();
    expect(creates.size).to.equal(0);
    expect(committed).to.have.length(1);
  });
});
