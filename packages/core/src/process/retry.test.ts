import { expect } from "chai";
import { retryDelay } from "./retry.ts";

const policy = { attempts: 50, minMs: 100, maxMs: 5000 };

describe("the delay before the next attempt", () => {
  it("doubles its ceiling with each attempt, up to the greatest delay", () => {
    const ceilings = [1, 2, 3, 4, 5, 6, 7, 8, 40].map((attempt) => retryDelay(policy, attempt, null, 1));
    expect(ceilings).to.deep.equal([100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  });

  it("is spread evenly between the least delay and its ceiling", () => {
    const delays = [0, 0.25, 0.5, 0.75].map((random) => retryDelay(policy, 3, null, random));
    expect(delays).to.deep.equal([100, 175, 250, 325]);
  });

  it("is never shorter than the service asked, even past the greatest delay", () => {
    expect(retryDelay(policy, 3, 300, 0)).to.equal(300);
    expect(retryDelay(policy, 3, 300, 1)).to.equal(400);
    expect(retryDelay(policy, 3, 60_000, 1)).to.equal(60_000);
  });

  it("is null when no attempt is left", () => {
    const three = { ...policy, attempts: 3 };
    expect([1, 2, 3, 4].map((attempt) => retryDelay(three, attempt, 10, 0))).to.deep.equal([
      100,
      100,
      null,
      null,
    ]);
  });

  it("is the least delay where that is above the greatest", () => {
    expect(retryDelay({ attempts: 9, minMs: 500, maxMs: 100 }, 4, null, 0.9)).to.equal(500);
  });

  it("stays finite after a thousand attempts", () => {
    expect(retryDelay({ attempts: 2000, minMs: 1, maxMs: Infinity }, 1001, null, 1)).to.equal(2 ** 30);
  });

  it("is whole ms", () => {
    expect(retryDelay(policy, 2, null, 0.333)).to.equal(133);
  });
});
