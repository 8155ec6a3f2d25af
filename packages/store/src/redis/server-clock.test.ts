import { expect } from "chai";
import { createServerClock } from "./server-clock.ts";

describe("the server's clock", () => {
  function clockAt(start: number) {
    const node = { at: start };
    return { node, clock: createServerClock(() => node.at) };
  }

  it("is unknown before the first reply, then runs with the monotonic clock", () => {
    const { node, clock } = clockAt(100);
    expect(clock.now()).to.equal(null);
    clock.see(5000, 100);
    node.at = 350;
    expect(clock.now()).to.equal(5250);
  });

  it("a server clock set forward or back is a jump", () => {
    for (const moved of [3_600_000, -3_600_000, 2_100, -2_100]) {
      const { node, clock } = clockAt(0);
      clock.see(1_000_000, 0);
      expect(clock.steadyForMs()).to.equal(Infinity);
      node.at = 1000;
      clock.see(1_001_000 + moved, 1000);
      expect(clock.steadyForMs(), String(moved)).to.equal(0);
      node.at = 31_000;
      expect(clock.steadyForMs()).to.equal(30_000);
    }
  });

  it("a slow reply, or a node that was stopped while waiting for one, is no jump", () => {
    const { node, clock } = clockAt(0);
    clock.see(1_000_000, 0);
    node.at = 60_000; // sent at 1000, answered at once, read a minute later
    clock.see(1_001_000, 1000);
    expect(clock.steadyForMs()).to.equal(Infinity);
    node.at = 60_100;
    clock.see(1_060_100, 60_100);
    expect(clock.steadyForMs()).to.equal(Infinity);
  });
});
