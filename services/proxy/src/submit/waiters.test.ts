import { expect } from "chai";
import { createWaiters } from "./waiters.ts";

const ignored = (): void => undefined;

describe("the waiting clients of a node", () => {
  it("the bound is over all services, the count by service", () => {
    const waiters = createWaiters(2, ignored);
    const first = waiters.enter("a", "h");
    const second = waiters.enter("b", "h");
    expect(first).to.be.a("function");
    expect(waiters.enter("a", "h")).to.equal(null);
    expect([...waiters.counts()]).to.deep.equal([
      ["a", 1],
      ["b", 1],
    ]);
    second!();
    expect(waiters.enter("a", "h")).to.be.a("function");
    expect(waiters.counts().get("a")).to.equal(2);
    expect(waiters.counts().get("b")).to.equal(0);
  });

  it("a client that leaves twice is subtracted once", () => {
    const waiters = createWaiters(1, ignored);
    const leave = waiters.enter("a", "h")!;
    leave();
    leave();
    expect(waiters.counts().get("a")).to.equal(0);
    waiters.enter("a", "h");
    expect(waiters.enter("a", "h")).to.equal(null);
  });

  it("one holder leaves a tenth of the places to the others, and each refusal is told", () => {
    let refused = 0;
    const waiters = createWaiters(20, () => (refused += 1));
    const greedy = Array.from({ length: 45 }, () => waiters.enter("a", "greedy"));
    expect(greedy.filter((leave) => leave !== null)).to.have.length(18);
    expect(refused).to.equal(27);
    expect(waiters.enter("a", "modest")).to.be.a("function");
    greedy.forEach((leave) => leave?.());
    expect(waiters.counts().get("a")).to.equal(1);
  });
});
