import { expect } from "chai";
import { createRecentFailures } from "./recent-failures.ts";

describe("the recent failures of fetches", () => {
  function world() {
    let now = 0;
    const failures = createRecentFailures<string>({ monotonic: () => now });
    return { failures, advance: (ms: number) => (now += ms) };
  }

  it("are remembered for a second", () => {
    const { failures, advance } = world();
    failures.record("a", "refused");
    advance(999);
    expect(failures.recent("a")).to.equal("refused");
    advance(1);
    expect(failures.recent("a")).to.equal(null);
  });

  it("are remembered for each fetch separately", () => {
    const { failures } = world();
    failures.record("a", "refused");
    expect(failures.recent("b")).to.equal(null);
  });

  it("are never more than a thousand", () => {
    const { failures } = world();
    for (let n = 0; n <= 1000; n++) failures.record(`${n}`, "refused");
    expect(failures.recent("0")).to.equal(null);
    expect(failures.recent("1000")).to.equal("refused");
  });
});
