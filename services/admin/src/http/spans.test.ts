import { Problem } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { readNumberRange, readSpan, readSpanRange } from "./spans.ts";

describe("spans and ranges of filters", () => {
  it("a span is a number and its unit", () => {
    expect(["250ms", "90s", "15m", "6h", "7d"].map((text) => readSpan(text, "since"))).to.deep.equal([
      250, 90_000, 900_000, 21_600_000, 604_800_000,
    ]);
  });

  it("a range has one end or two, and nothing means any", () => {
    expect(readSpanRange("10s-", "took")).to.deep.equal({ from: 10_000, to: null });
    expect(readSpanRange("-5m", "took")).to.deep.equal({ from: null, to: 300_000 });
    expect(readSpanRange("1s-2s", "took")).to.deep.equal({ from: 1000, to: 2000 });
    expect(readNumberRange("3", "attempt")).to.deep.equal({ from: 3, to: 3 });
    expect(readNumberRange(undefined, "attempt")).to.deep.equal({ from: null, to: null });
  });

  for (const text of ["", "soon", "1", "1w", "-1s-", "1.5h", "9999999999s", "--"])
    it(`"${text}" is no span, and the problem names the filter`, () =>
      expect(() => readSpanRange(text, "took")).to.throw(Problem, /took/));
});
