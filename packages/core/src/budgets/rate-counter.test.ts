import { expect } from "chai";
import { createRateCounter, type RateCounter } from "./rate-counter.ts";

const quota = 20;

/** How many of `wanted` requests are within the quota. */
const taken = (counter: RateCounter, holder: string, wanted: number, now = 0): number =>
  Array.from({ length: wanted }, () => counter.take(holder, quota, now)).filter((one) => one.isWithin).length;

describe("the counter of requests", () => {
  it("takes the quota of each holder in a window, and all of it again in the next one", () => {
    const counter = createRateCounter(1000);
    expect(taken(counter, "a", 30)).to.equal(20);
    expect(counter.take("a", quota, 400)).to.deep.equal({ isWithin: false, quota, left: 0, resetMs: 600 });
    expect(counter.take("b", quota, 400)).to.deep.equal({ isWithin: true, quota, left: 19, resetMs: 1000 });
    expect(taken(counter, "a", 30, 1000)).to.equal(20);
  });

  it("tells what is at least a tenth of the quota, the largest first, once", () => {
    const counter = createRateCounter(1000);
    taken(counter, "small", 1);
    taken(counter, "middle", 2);
    taken(counter, "large", 9);
    expect(counter.due(10)).to.deep.equal([
      { holder: "large", requests: 9 },
      { holder: "middle", requests: 2 },
    ]);
    expect(counter.due(20)).to.deep.equal([]);
    taken(counter, "small", 1, 30);
    expect(counter.due(40)).to.deep.equal([{ holder: "small", requests: 2 }]);
  });

  it("what all nodes counted bounds what is taken from then on; what came meanwhile counts beside it", () => {
    const counter = createRateCounter(1000);
    taken(counter, "a", 5);
    counter.due(10);
    taken(counter, "a", 2, 15);
    counter.learn("a", 14, 990, 20);
    expect(taken(counter, "a", 30, 30)).to.equal(4);
  });

  it("what was told counts although nobody answers", () => {
    const counter = createRateCounter(1000);
    taken(counter, "a", 15);
    counter.due(10);
    expect(taken(counter, "a", 30, 20)).to.equal(5);
  });

  it("a window that others began earlier ends here too, and none is made longer", () => {
    const counter = createRateCounter(1000);
    taken(counter, "a", 20);
    taken(counter, "b", 20);
    counter.due(10);
    counter.learn("a", 20, 200, 100);
    counter.learn("b", 20, 5000, 100);
    expect(taken(counter, "a", 1, 299)).to.equal(0);
    expect(taken(counter, "a", 1, 300)).to.equal(1);
    expect(taken(counter, "b", 1, 999)).to.equal(0);
    expect(taken(counter, "b", 1, 1000)).to.equal(1);
  });

  it("an answer about a window that has ended says nothing about the next one", () => {
    const counter = createRateCounter(1000);
    taken(counter, "a", 20);
    counter.due(10);
    counter.learn("a", 500, 100, 1000);
    expect(taken(counter, "a", 30, 1000)).to.equal(20);
  });

  it("tells nothing of windows that have ended", () => {
    const counter = createRateCounter(1000);
    taken(counter, "a", 20);
    expect(counter.due(1000)).to.deep.equal([]);
  });

  it("counts as many holders as it may, and forgets the window that began first", () => {
    const counter = createRateCounter(1000, 2);
    taken(counter, "a", 20);
    taken(counter, "b", 20, 1);
    taken(counter, "c", 20, 2);
    expect([taken(counter, "b", 1, 3), taken(counter, "c", 1, 3)]).to.deep.equal([0, 0]);
    expect(taken(counter, "a", 1, 3), "forgotten, so it begins anew").to.equal(1);
  });

  it("tells a batch at a time", () => {
    const counter = createRateCounter(1000, 100, 2);
    for (const holder of ["a", "b", "c"]) taken(counter, holder, 5);
    expect([counter.due(1).length, counter.due(2).length, counter.due(3).length]).to.deep.equal([2, 1, 0]);
  });
});
