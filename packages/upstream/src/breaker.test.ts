import { expect } from "chai";
import { Breaker } from "./breaker.ts";

const policy = { failures: 3, openMs: 1000 };
const wholly = ["a", "b", "c"] as const;

/** As many callers as `failures` have failed at 0: it is open for everybody. */
function opened(): Breaker {
  const breaker = new Breaker();
  for (const holder of wholly) breaker.report(policy, holder, true, 0);
  return breaker;
}

function fails(breaker: Breaker, holder: string, times: number, now = 0): void {
  for (let i = 0; i < times; i += 1) breaker.report(policy, holder, true, now);
}

describe("the circuit breaker", () => {
  it("a caller's failures in a row open it for that caller, and for nobody else", () => {
    const breaker = new Breaker();
    for (const failure of [true, true, false, true, true]) breaker.report(policy, "a", failure, 0);
    expect([breaker.state(0), breaker.enter(policy, "a", 0).pass]).to.deep.equal(["closed", true]);
    fails(breaker, "a", 1);
    expect(breaker.enter(policy, "a", 0)).to.deep.equal({ pass: false, openMs: 1000 });
    expect(breaker.state(0)).to.equal("open");
    fails(breaker, "a", 50);
    expect(breaker.enter(policy, "b", 0)).to.deep.equal({ pass: true });
  });

  it("callers that failed count once each; as many as the bound open it for all", () => {
    const breaker = new Breaker();
    fails(breaker, "a", 2);
    fails(breaker, "b", 2);
    expect([breaker.state(0), breaker.enter(policy, "d", 0).pass]).to.deep.equal(["closed", true]);
    fails(breaker, "c", 1);
    expect([breaker.state(0), breaker.enter(policy, "d", 0)]).to.deep.equal([
      "open",
      { pass: false, openMs: 1000 },
    ]);
  });

  it("a success of anybody, or a minute, takes the failures of others from the count", () => {
    const breaker = new Breaker();
    fails(breaker, "a", 1);
    fails(breaker, "b", 1);
    breaker.report(policy, "d", false, 0);
    fails(breaker, "c", 1);
    expect(breaker.enter(policy, "d", 0).pass).to.equal(true);
    fails(breaker, "a", 1, 60_000);
    fails(breaker, "b", 1, 60_000);
    expect(breaker.enter(policy, "d", 60_000).pass, "c's failure is a minute old").to.equal(true);
    fails(breaker, "d", 1, 60_001);
    expect(breaker.enter(policy, "e", 60_001).pass).to.equal(false);
  });

  it("another caller's success does not close the circuit of one whose own requests fail", () => {
    const breaker = new Breaker();
    fails(breaker, "a", 3);
    breaker.report(policy, "b", false, 100);
    expect(breaker.enter(policy, "a", 100)).to.deep.equal({ pass: false, openMs: 900 });
  });

  it("reports how long the circuit stays open", () => {
    expect(opened().enter(policy, "d", 999)).to.deep.equal({ pass: false, openMs: 1 });
    expect(opened().state(999)).to.equal("open");
  });

  it("allows one trial request after openMs, and a second one when the first never reports", () => {
    const breaker = opened();
    expect(breaker.state(1000)).to.equal("half-open");
    expect(breaker.enter(policy, "d", 1000)).to.deep.equal({ pass: true });
    expect(breaker.enter(policy, "e", 1400)).to.deep.equal({ pass: false, openMs: 600 });
    expect(breaker.enter(policy, "e", 2000)).to.deep.equal({ pass: true });
  });

  it("closes after a successful trial: every request passes, and the failure count restarts at zero", () => {
    const breaker = opened();
    breaker.enter(policy, "a", 1000);
    breaker.report(policy, "a", false, 1100);
    expect(breaker.state(1100)).to.equal("closed");
    expect([breaker.enter(policy, "a", 1100), breaker.enter(policy, "a", 1100)]).to.deep.equal([
      { pass: true },
      { pass: true },
    ]);
    fails(breaker, "a", 2, 1200);
    fails(breaker, "b", 1, 1200);
    expect(breaker.state(1200)).to.equal("closed");
  });

  it("opens for another openMs after a failed trial; the next one is another caller's, or later the same one's", () => {
    const breaker = opened();
    breaker.enter(policy, "d", 1000);
    breaker.report(policy, "d", true, 1100);
    expect(breaker.enter(policy, "e", 1100)).to.deep.equal({ pass: false, openMs: 1000 });
    expect(breaker.enter(policy, "d", 2100)).to.deep.equal({ pass: false, openMs: 1000 });
    expect(breaker.enter(policy, "d", 3100)).to.deep.equal({ pass: true });
    breaker.report(policy, "d", true, 3200);
    expect(breaker.enter(policy, "e", 4200)).to.deep.equal({ pass: true });
    breaker.report(policy, "e", false, 4300);
    expect(breaker.enter(policy, "d", 4300)).to.deep.equal({ pass: true });
  });

  it("what was sent before the trial and fails late does not prolong the pause", () => {
    const breaker = opened();
    fails(breaker, "z", 1, 900);
    expect(breaker.state(1000)).to.equal("half-open");
    breaker.enter(policy, "d", 1000);
    fails(breaker, "z", 1, 1100);
    breaker.report(policy, "d", false, 1200);
    expect(breaker.enter(policy, "e", 1200)).to.deep.equal({ pass: true });
  });

  it("a caller whose own circuit is open takes no trial of the others", () => {
    const breaker = new Breaker();
    for (const holder of wholly) fails(breaker, holder, 1);
    fails(breaker, "a", 2, 500);
    expect(breaker.enter(policy, "a", 1000)).to.deep.equal({ pass: false, openMs: 500 });
    expect(breaker.enter(policy, "b", 1000)).to.deep.equal({ pass: true });
  });

  it("remembers a thousand callers, the latest ones", () => {
    const breaker = new Breaker();
    const wide = { failures: 5000, openMs: 1000 };
    for (let i = 0; i < 4999; i += 1) breaker.report(wide, "first", true, 0);
    for (let i = 0; i < 1000; i += 1) breaker.report(wide, `h${i}`, true, 0);
    breaker.report(wide, "first", true, 0);
    expect(breaker.enter(wide, "first", 0).pass).to.equal(true);
  });

  it("allows every request and counts no failure for a service without a breaker policy", () => {
    const breaker = new Breaker();
    for (let i = 0; i < 9; i += 1) breaker.report(null, "a", true, 0);
    expect(breaker.state(0)).to.equal("closed");
    expect(opened().enter(null, "a", 0)).to.deep.equal({ pass: true });
  });
});
