import { expect } from "chai";
import { createWaiters } from "./waiters.ts";

describe("the waiting clients of a node", () => {
  it("the bound is over all services, the count by service", () => {
    const waiters = createWaiters(2);
    const first = waiters.enter("a");
    const second = waiters.enter("b");
    expect(first).to.be.a("function");
    expect(waiters.enter("a")).to.equal(null);
    expect([...waiters.counts()]).to.deep.equal([
      ["a", 1],
      ["b", 1],
    ]);
    second!();
    expect(waiters.enter("a")).to.be.a("function");
    expect(waiters.counts().get("a")).to.equal(2);
    expect(waiters.counts().get("b")).to.equal(0);
  });

  it("a client that leaves twice is subtracted once", () => {
    const waiters = createWaiters(1);
    const leave = waiters.enter("a")!;
    leave();
    leave();
    expect(waiters.counts().get("a")).to.equal(0);
    waiters.enter("a");
    expect(waiters.enter("a")).to.equal(null);
  });
});
