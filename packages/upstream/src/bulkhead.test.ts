import { expect } from "chai";
import { Bulkhead } from "./bulkhead.ts";

const limits = { maxInFlight: 10, maxQueue: 20, queueTimeoutMs: 60_000 };
const never = new AbortController().signal;

describe("requests in flight to one service", () => {
  it("one caller's hanging requests leave a place to another one, also when more of them wait", async () => {
    const bulkhead = new Bulkhead();
    const entered = Array.from({ length: 40 }, () => bulkhead.tryEnter(limits, "greedy"));
    expect(entered.filter(Boolean)).to.have.length(9);
    const gone = new AbortController();
    const waits = bulkhead.wait(limits, "greedy", gone.signal);
    expect(bulkhead.tryEnter(limits, "modest")).to.equal(true);
    expect(bulkhead.tryEnter(limits, "other"), "all ten are taken").to.equal(false);
    gone.abort();
    expect(await waits).to.equal("aborted");
  });

  it("a slot goes to the one that has waited longest of those that may have it", async () => {
    const bulkhead = new Bulkhead();
    for (let i = 0; i < 9; i += 1) bulkhead.tryEnter(limits, "greedy");
    bulkhead.tryEnter(limits, "modest");
    const order: string[] = [];
    const greedy = bulkhead.wait(limits, "greedy", never).then(() => order.push("greedy"));
    const other = bulkhead.wait(limits, "other", never).then(() => order.push("other"));
    bulkhead.leave(limits, "modest");
    await other;
    expect(order).to.deep.equal(["other"]);
    for (let i = 0; i < 2; i += 1) bulkhead.leave(limits, "greedy");
    await greedy;
    expect([bulkhead.inFlight, bulkhead.queued]).to.deep.equal([9, 0]);
  });

  it("one caller's waiting requests leave places of the queue to others", async () => {
    const bulkhead = new Bulkhead();
    const gone = new AbortController();
    const waits = Array.from({ length: 40 }, () => bulkhead.wait(limits, "greedy", gone.signal));
    expect(bulkhead.queued).to.equal(18);
    const other = bulkhead.wait(limits, "modest", gone.signal);
    expect(bulkhead.queued).to.equal(19);
    gone.abort();
    expect(await other).to.equal("aborted");
    expect((await Promise.all(waits)).filter((end) => end === "full")).to.have.length(22);
  });

  it("a small service keeps nothing back", () => {
    const bulkhead = new Bulkhead();
    const small = { ...limits, maxInFlight: 2 };
    expect([1, 2, 3].map(() => bulkhead.tryEnter(small, "a"))).to.deep.equal([true, true, false]);
    bulkhead.leave(small, "a");
    expect(bulkhead.tryEnter(small, "a")).to.equal(true);
  });
});
