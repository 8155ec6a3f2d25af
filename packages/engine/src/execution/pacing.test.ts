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
    pause(service, ms) {
      writes += 1;
      ends.set(service, Math.max(ends.get(service) ?? 0, now() + ms));
      return Promise.resolve();
    },
    pauses(names) {
      const left = names.map((name) => [name, (ends.get(name) ?? 0) - now()] as const);
      return Promise.resolve(new Map(left.filter(([, ms]) => ms > 0)));
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
    paced.pause("a", 2000);
    expect([paced.pausedMs("a"), paced.pausedMs("b")]).to.deep.equal([2000, 0]);
    now += 1500;
    expect(paced.pausedMs("a")).to.equal(500);
    expect([paced.isPaused("a"), paced.isPaused("b")]).to.deep.equal([true, false]);
    now += 500;
    expect(paced.isPaused("a"), "on the ramp").to.equal(false);
  });

  it("spreads what waited over the ramp, and lets a growing share through on it", () => {
    const paced = pacing();
    paced.pause("a", 4000);
    random = 0.5;
    expect(paced.pausedMs("a")).to.equal(6000);
    now += 4000;
    expect(paced.pausedMs("a"), "at the ramp's first moment").to.equal(2000);
    now += 1000; // a quarter of the ramp
    random = 0.2;
    expect(paced.pausedMs("a")).to.equal(0);
    random = 0.3;
    expect(paced.pausedMs("a")).to.equal(900);
    now += 3000;
    random = 0.999;
    expect(paced.pausedMs("a")).to.equal(0);
  });

  it("caps what a service asks for and never shortens a pause", () => {
    const paced = pacing();
    paced.pause("a", 10 ** 9);
    expect(paced.pausedMs("a")).to.equal(maxPauseMs);
    paced.pause("a", 10);
    expect(paced.pausedMs("a")).to.equal(maxPauseMs);
  });

  it("lets other replicas know, and learns from them", async () => {
    const shared = sharedMemory(() => now);
    const [one, two] = [pacing(shared), pacing(shared)];
    one.pause("a", 3000);
    expect(two.pausedMs("a")).to.equal(0);
    await two.refresh();
    expect(two.pausedMs("a")).to.equal(3000);
    now += 1000;
    await one.refresh();
    expect(one.pausedMs("a")).to.equal(2000);
  });

  it("writes a pause once however many answers ask for it", () => {
    const shared = sharedMemory(() => now);
    const paced = pacing(shared);
    for (let i = 0; i < 100; i += 1) paced.pause("a", 3000 + i);
    expect(shared.writes).to.equal(1);
  });

  it("goes on by its own view when the shared one is away", async () => {
    const away = (): Promise<never> => Promise.reject(new Error("away"));
    const paced = pacing({ pause: away, pauses: away });
    paced.pause("a", 3000);
    await paced.refresh();
    expect(paced.pausedMs("a")).to.equal(3000);
    expect(failures).to.have.members(["sharing a pause", "reading shared pauses"]);
  });

  it("bounds the work that waits, and gives places back early or in time", () => {
    const paced = pacing();
    const first = paced.reserve("a", 1000, 2);
    expect(paced.reserve("a", 5000, 2)).not.to.equal(null);
    expect(paced.reserve("a", 1000, 2)).to.equal(null);
    expect(paced.reserve("b", 1000, 2)).not.to.equal(null);
    first!();
    expect(paced.reserve("a", 1000, 2)).not.to.equal(null);
    expect(paced.reserve("a", 1000, 2)).to.equal(null);
    now += 1000;
    expect(paced.reserve("a", 1000, 2)).not.to.equal(null);
  });

  it("keeps nothing of services that are not configured (any more)", async () => {
    const services = ["a"];
    const paced = pacing(null, services);
    paced.pause("stranger", 1000);
    expect(paced.pausedMs("stranger")).to.equal(0);
    paced.pause("a", 1000);
    services.pop();
    await paced.refresh();
    expect(paced.pausedMs("a")).to.equal(0);
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
          if (s.pause !== null) paced.pause("a", s.pause);
          expect(paced.pausedMs("a")).to.be.within(0, maxPauseMs + 30_000);
        }
        now += maxPauseMs + 30_000;
        expect(paced.pausedMs("a")).to.equal(0);
      }),
    );
  });
});
