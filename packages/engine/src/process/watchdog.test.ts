import { asFence, asScope } from "@sticky-proxy/protocol";
import { createManualClock } from "@sticky-proxy/core/testing";
import { blankRecord, type Lease } from "@sticky-proxy/core/process";
import { expect } from "chai";
import { createWatchdog } from "./watchdog.ts";

function world() {
  const clock = createManualClock();
  const renewals: string[][] = [];
  const lost: string[] = [];
  const failures: unknown[] = [];
  const aborted: string[] = [];
  let answer: (leases: readonly Lease[]) => Promise<Lease[]> = () => Promise.resolve([]);
  const watchdog = createWatchdog({
    store: {
      renew(leases) {
        renewals.push(leases.map(({ scope, epoch }) => `${scope}.${epoch}`));
        return answer(leases);
      },
    },
    clock,
    onLost: ({ scope }) => lost.push(scope),
    onFailure: (error) => failures.push(error),
  });
  const track = (scope: string, leasedAt: number | null = clock.monotonic(), epoch = 1) =>
    watchdog.track(
      { ...blankRecord, scope: asScope(scope), epoch: asFence(epoch), owner: "n1", leaseMs: 900 },
      leasedAt,
      (reason) => aborted.push(`${scope} ${reason}`),
    );
  return {
    clock,
    watchdog,
    renewals,
    lost,
    failures,
    aborted,
    track,
    answers: (next: typeof answer) => (answer = next),
  };
}

describe("the watchdog", () => {
  it("renews in one batch what is a third of its lease old, and nothing younger", async () => {
    const w = world();
    w.track("a");
    w.track("b");
    w.clock.advance(299);
    w.track("c");
    await w.watchdog.tick();
    expect(w.renewals).to.deep.equal([]);
    w.clock.advance(1);
    await w.watchdog.tick();
    expect(w.renewals).to.deep.equal([["a.1", "b.1"]]);
    await w.watchdog.tick();
    expect(w.renewals).to.have.length(1);
  });

  it("lets a node dispatch for half the lease since the last renewal was sent", async () => {
    const w = world();
    const tracked = w.track("a");
    w.clock.advance(449);
    expect(tracked.mayDispatch()).to.equal(true);
    w.clock.advance(1);
    expect(tracked.mayDispatch()).to.equal(false);
    w.answers(() => (w.clock.advance(100), Promise.resolve([])));
    await w.watchdog.tick();
    w.clock.advance(349);
    expect(tracked.mayDispatch()).to.equal(true);
    w.clock.advance(1);
    expect(tracked.mayDispatch(), "counted from the sending, not from the answer").to.equal(false);
  });

  it("lets no node dispatch under a lease of unknown age until it is renewed", async () => {
    const w = world();
    const tracked = w.track("a", null);
    expect(tracked.mayDispatch()).to.equal(false);
    await w.watchdog.tick();
    expect(w.renewals).to.deep.equal([["a.1"]]);
    expect(tracked.mayDispatch()).to.equal(true);
  });

  it("aborts what was lost and only that, and forgets it", async () => {
    const w = world();
    const [a, b] = [w.track("a"), w.track("b")];
    w.answers((leases) => Promise.resolve(leases.filter(({ scope }) => scope === "a")));
    w.clock.advance(300);
    await w.watchdog.tick();
    expect([w.lost, w.aborted]).to.deep.equal([["a"], ["a lease-lost"]]);
    expect([a.mayDispatch(), b.mayDispatch(), w.watchdog.size]).to.deep.equal([false, true, 1]);
  });

  it("aborts nothing that was released while the answer was under way", async () => {
    const w = world();
    const tracked = w.track("a");
    w.answers((leases) => (tracked.release(), Promise.resolve([...leases])));
    w.clock.advance(300);
    await w.watchdog.tick();
    expect([w.lost, w.aborted, w.watchdog.size]).to.deep.equal([[], [], 0]);
  });

  it("keeps a later tracking of the same process when the earlier one is released", () => {
    const w = world();
    const earlier = w.track("a");
    const later = w.track("a");
    expect(earlier.mayDispatch()).to.equal(false);
    earlier.release();
    expect([later.mayDispatch(), w.watchdog.size]).to.deep.equal([true, 1]);
    later.release();
    expect([later.mayDispatch(), w.watchdog.size]).to.deep.equal([false, 0]);
  });

  it("tells two processes of one scope apart", () => {
    const w = world();
    w.track("a");
    w.track("a", 0, 2);
    expect(w.watchdog.size).to.equal(2);
  });

  it("tries again at the next tick when the store does not answer, and aborts nothing", async () => {
    const w = world();
    const tracked = w.track("a");
    const away = new Error("away");
    w.answers(() => Promise.reject(away));
    w.clock.advance(300);
    await w.watchdog.tick();
    expect([w.failures, w.aborted]).to.deep.equal([[away], []]);
    w.answers(() => Promise.resolve([]));
    w.clock.advance(200);
    expect(tracked.mayDispatch()).to.equal(false);
    await w.watchdog.tick();
    expect(tracked.mayDispatch()).to.equal(true);
  });

  it("tracks only what has an owner", () => {
    const { watchdog } = world();
    expect(() => watchdog.track(blankRecord, 0, () => {})).to.throw("owned");
  });
});
