import { expect } from "chai";
import { isTraceparent, isTracestate } from "./trace-context.ts";

const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const span = "00f067aa0ba902b7";

describe("a traceparent", () => {
  it("is continued in the known version, and in a later one that says more", () => {
    for (const text of [
      `00-${trace}-${span}-01`,
      `00-${trace}-${span}-00`,
      `01-${trace}-${span}-01`,
      `fe-${trace}-${span}-01-more`,
      `00-${"0".repeat(31)}1-${"0".repeat(15)}1-01`,
    ]) {
      expect(isTraceparent(text), text).to.equal(true);
    }
  });

  it("is dropped when version, ids, case, length or surroundings are wrong", () => {
    for (const text of [
      "",
      `ff-${trace}-${span}-01`,
      `00-${"0".repeat(32)}-${span}-01`,
      `00-${trace}-${"0".repeat(16)}-01`,
      `00-${trace}-${span}-01-more`,
      `00-${trace}-${span}-01-`,
      `01-${trace}-${span}-01more`,
      `00-${trace.toUpperCase()}-${span}-01`,
      `00-${trace}0-${span}-01`,
      `00-${trace}-${span}0-01`,
      `00-${trace}-${span}-1`,
      ` 00-${trace}-${span}-01`,
      `00-${trace}-${span}`,
    ]) {
      expect(isTraceparent(text), text).to.equal(false);
    }
  });
});

describe("a tracestate", () => {
  it("is kept whole up to 512 printable characters", () => {
    for (const text of ["a=1", "a=1,\tb=2 ~", "x".repeat(512)])
      expect(isTracestate(text), text).to.equal(true);
  });

  it("is dropped when empty, longer, or of other characters", () => {
    for (const text of ["", "x".repeat(513), "a=\u0000", "a=1\n", "\u007f", "a=é"]) {
      expect(isTracestate(text), text).to.equal(false);
    }
  });
});
