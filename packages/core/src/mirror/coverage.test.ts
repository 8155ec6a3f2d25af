import { expect } from "chai";
import { coverageOf, coverageRatio, pending, settled } from "./coverage.ts";

describe("coverage", () => {
  const coverage = coverageOf([
    ["eligible", 10],
    ["matched", 3],
    ["masked", 1],
    ["different", 2],
    ["race", 1],
    ["skipped:lag", 1],
    ["skipped:lag", 1],
    ["unknown", 9],
  ]);

  it("adds up by name and skip reason", () => {
    expect(settled(coverage)).to.equal(9);
    expect(pending(coverage)).to.equal(1);
    expect(coverage.skipped.get("lag")).to.equal(2);
  });

  it("the ratio leaves out what could not have been compared", () => {
    const exempt = coverageOf([
      ["eligible", 5],
      ["matched", 1],
      ["different", 1],
      ["skipped:not-applicable", 1],
      ["skipped:gap", 2],
    ]);
    expect(coverageRatio(exempt)).to.equal(0.5);
    expect(coverageRatio(coverageOf([]))).to.equal(null);
  });
});
