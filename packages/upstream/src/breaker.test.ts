import { expect } from "chai";
import { Breaker } from "./breaker.ts";

const policy = { failures: 3, openMs: 1000 };

function opened(): Breaker {
  const breaker = new Breaker();
  for (let i = 0; i < 3; i += 1) breaker.report(policy, true, 0);
  return breaker;
}

describe("the circuit breaker", () => {
  it("opens at the configured number of failures in a row, and not before", () => {
    const breaker = new Breaker();
    for (const failure of [true, true, false, true, true]) breaker.report(policy, failure, 0);
    expect([breaker.state(0), breaker.enter(policy, 0).pass]).to.deep.equal(["closed", true]);
    breaker.report(policy, true, 0);
    expect([breaker.state(0), breaker.enter(policy, 0)]).to.deep.equal([
      "open",
      { pass: false, openMs: 1000 },
    ]);
  });

  it("reports how long the circuit stays open", () => {
    expect(opened().enter(policy, 999)).to.deep.equal({ pass: false, openMs: 1 });
    expect(opened().state(999)).to.equal("open");
  });

  it("allows one trial request after openMs, and a second one when the first never reports", () => {
    const breaker = opened();
    expect(breaker.state(1000)).to.equal("half-open");
    expect(breaker.enter(policy, 1000)).to.deep.equal({ pass: true });
    expect(breaker.enter(policy, 1400)).to.deep.equal({ pass: false, openMs: 600 });
    expect(breaker.enter(policy, 2000)).to.deep.equal({ pass: true });
  });

  it("closes after a successful trial: every request passes, and the failure count restarts at zero", () => {
    const breaker = opened();
    breaker.enter(policy, 1000);
    breaker.report(policy, false, 1100);
    expect(breaker.state(1100)).to.equal("closed");
    expect([breaker.enter(policy, 1100), breaker.enter(policy, 1100)]).to.deep.equal([
      { pass: true },
      { pass: true },
    ]);
    breaker.report(policy, true, 1200);
    breaker.report(policy, true, 1200);
    expect(breaker.state(1200)).to.equal("closed");
  });

  it("opens for another openMs after a failed trial, and then allows a trial", () => {
    const breaker = opened();
    breaker.enter(policy, 1000);
    breaker.report(policy, true, 1100);
    expect(breaker.enter(policy, 1100)).to.deep.equal({ pass: false, openMs: 1000 });
    expect(breaker.enter(policy, 2100)).to.deep.equal({ pass: true });
  });

  it("allows every request and counts no failure for a service without a breaker policy", () => {
    const breaker = new Breaker();
    for (let i = 0; i < 9; i += 1) breaker.report(null, true, 0);
    expect(breaker.state(0)).to.equal("closed");
    expect(opened().enter(null, 0)).to.deep.equal({ pass: true });
  });
});
