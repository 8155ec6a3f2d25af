import { asMonotonicMs } from "@sticky-proxy/protocol";
import { expect } from "chai";
import fc from "fast-check";
import { createPacing, maxPauseMs, type ServicePacing, type SharedPauses } from "./pacing.ts";

/** What Redis does for the replicas. */
function sharedMemory(now: () => number): SharedPauses & { readonly writes: number } {
  const ends = new Map<string, number>();
  let writes = 0;
  return {
    get writes() {
      return writes;
    },
    pause(service, caller, ms) {
      writes += 1;
      const key = JSON.stringify([service, caller]);
      ends.set(key, Math.max(ends.get(key) ?? 0, now() + ms));
      return Promise.resolve();
    },
    pauses(names) {
      const left = [...ends].map(([key, end]) => {
        const [service, caller] = JSON.parse(key) as [string, string | null];
        return { service, caller, ms: end - now() };
      });
      return Promise.resolve(left.filter(({ service, ms }) => ms > 0 && names.includes(service)));
    },
  };
}

describe("the pacing of a service", () => {
  let now: number;
  let random: number;
  let failures: string[];

  beforeEach(() => {
    now = 5000;
    random = 0;
    failures = [];
  });
  function pacing(shared: SharedPauses | null = null, services = ["a", "b"]): ServicePacing {
    return createPacing({
      shared,
      services: () => services,
      clock: { monotonic: () => asMonotonicMs(now) },
      random: () => random,
      onFailure: (what) => failures.push(what),
    });
  }

  it("holds work of the paused service until the pause is over, and no other", () => {
    const paced = pacing();
    paced.pause("a", null, 2000);
    expect([paced.pausedMs("a", "c"), paced.pausedMs("b", "c")]).to.deep.equal([2000, 0]);
    now += 1500;
    expect(paced.pausedMs("a", "c")).to.equal(500);
    expect([paced.isPaused("a", "c"), paced.isPaused("b", "c")]).to.deep.equal([true, false]);
    now += 500;
    expect(paced.isPaused("a", "c"), "on the ramp").to.equal(false);
  });

  it("a paused caller waits alone: others of the same service, and its own calls of another one, do not", () => {
    const paced = pacing();
    paced.pause("a", "greedy", 25_000);
    expect([paced.isPaused("a", "greedy"), paced.pausedMs("a", "greedy")]).to.deep.equal([true, 25_000]);
    expect([paced.isPaused("a", "modest"), paced.pausedMs("a", "modest")]).to.deep.equal([false, 0]);
    expect([paced.isPaused("b", "greedy"), paced.pausedMs("b", "greedy")]).to.deep.equal([false, 0]);
    paced.pause("a", null, 40_000);
    expect(paced.pausedMs("a", "greedy"), "the longer of the two").to.equal(40_000);
    expect(paced.pausedMs("a", "modest")).to.equal(40_000);
  });

  it("one caller's waiting requests leave places for others", () => {
    const paced = pacing();
    const taken = Array.from({ length: 30 }, () => paced.reserve("a", "greedy", 1000, 20));
    expect(taken.filter((release) => release !== null)).to.have.length(18);
    expect(paced.reserve("a", "modest", 1000, 20)).not.to.equal(null);
  });

  it("remembers a bounded number of paused callers, those that were paused last", () => {
    const paced = pacing();
    for (let i = 0; i <= 1000; i += 1) paced.pause("a", `c${i}`, 5000);
    expect(paced.isPaused("a", "c0")).to.equal(false);
    expect(paced.isPaused("a", "c1")).to.equal(true);
    expect(paced.isPaused("a", "c1000")).to.equal(true);
  });

  it("spreads what waited over the ramp, and lets a growing share through on it", () => {
    const paced = pacing();
    paced.pause("a", null, 4000);
    random = 0.5;
    expect(paced.pausedMs("a", "c")).to.equal(6000);
    now += 4000;
    expect(paced.pausedMs("a", "c"), "at the ramp's first moment").to.equal(2000);
    now += 1000; // a quarter of the ramp
    random = 0.2;
    expect(paced.pausedMs("a", "c")).to.equal(0);
    random = 0.3;
    expect(paced.pausedMs("a", "c")).to.equal(900);
    now += 3000;
    random = 0.999;
    expect(paced.pausedMs("a", "c")).to.equal(0);
  });

  it("caps what a service asks for and never shortens a pause", () => {
    const paced = pacing();
    paced.pause("a", null, 10 ** 9);
    expect(paced.pausedMs("a", "c")).to.equal(maxPauseMs);
    paced.pause("a", null, 10);
    expect(paced.pausedMs("a", "c")).to.equal(maxPauseMs);
  });

  it("lets other replicas know, and learns from them", async () => {
    const shared = sharedMemory(() => now);
    const [one, two] = [pacing(shared), pacing(shared)];
    one.pause("a", null, 3000);
    one.pause("b", "greedy", 2000);
    expect(two.pausedMs("a", "c")).to.equal(0);
    await two.refresh();
    expect(two.pausedMs("a", "c")).to.equal(3000);
    expect([two.pausedMs("b", "greedy"), two.pausedMs("b", "c")]).to.deep.equal([2000, 0]);
    now += 1000;
    await one.refresh();
    expect(one.pausedMs("a", "c")).to.equal(2000);
  });

  it("writes a pause once however many answers ask for it", () => {
    const shared = sharedMemory(() => now);
    const paced = pacing(shared);
    for (let i = 0; i < 100; i += 1) paced.pause("a", null, 3000 + i);
    expect(shared.writes).to.equal(1);
  });

  it("goes on by its own view when the shared one is away", async () => {
    const away = (): Promise<never> => Promise.reject(new Error("away"));
    const paced = pacing({ pause: away, pauses: away });
    paced.pause("a", null, 3000);
    await paced.refresh();
    expect(paced.pausedMs("a", "c")).to.equal(3000);
    expect(failures).to.have.members(["sharing a pause", "reading shared pauses"]);
  });

  it("bounds the work that waits, and gives places back early or in time", () => {
    const paced = pacing();
    const first = paced.reserve("a", "c", 1000, 2);
    expect(paced.reserve("a", "c", 5000, 2)).not.to.equal(null);
    expect(paced.reserve("a", "c", 1000, 2)).to.equal(null);
    expect(paced.reserve("b", "c", 1000, 2)).not.to.equal(null);
    first!();
    expect(paced.reserve("a", "c", 1000, 2)).not.to.equal(null);
    expect(paced.reserve("a", "c", 1000, 2)).to.equal(null);
    now += 1000;
    expect(paced.reserve("a", "c", 1000, 2)).not.to.equal(null);
  });

  it("keeps nothing of services that are not configured (any more)", async () => {
    const services = ["a"];
    const paced = pacing(null, services);
    paced.pause("stranger", null, 1000);
    expect(paced.pausedMs("stranger", "c")).to.equal(0);
    paced.pause("a", null, 1000);
    services.pop();
    await paced.refresh();
    expect(paced.pausedMs("a", "c")).to.equal(0);
  });

  it("never holds work longer than the longest pause and its ramp, and never forever", () => {
    const step = fc.record({
      wait: fc.nat(30_000),
      pause: fc.option(fc.nat(200_000)),
      random: fc.double({ min: 0, max: 0.999, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const paced = pacing();
        for (const s of steps) {
          now += s.wait;
          random = s.random;
          if (s.pause !== null) paced.pause("a", null, s.pause);
          expect(paced.pausedMs("a", "c")).to.be.within(0, maxPauseMs + 30_000);
        }
        now += maxPauseMs + 30_000;
        expect(paced.pausedMs("a", "c")).to.equal(0);
      }),
    );
  });
});
