import { expect } from "chai";
import { createWaiters } from "./waiters.ts";

describe("waiters", () => {
  it("are bounded over all services, and counted by each", () => {
    const waiters = createWaiters(2);
    const first = waiters.hold("a");
    const second = waiters.hold("b");
    expect(first).to.be.a("function");
    expect(waiters.hold("a")).to.equal(null);
    expect([...waiters.counts()]).to.deep.equal([
      ["a", 1],
      ["b", 1],
    ]);
    second!();
    expect(waiters.hold("a")).to.be.a("function");
    expect(waiters.counts().get("a")).to.equal(2);
    expect(waiters.counts().get("b")).to.equal(0);
  });

  it("count one that is let go twice only once", () => {
    const waiters = createWaiters(1);
    const release = waiters.hold("a")!;
    release();
    release();
    expect(waiters.counts().get("a")).to.equal(0);
    waiters.hold("a");
    expect(waiters.hold("a")).to.equal(null);
  });
});
