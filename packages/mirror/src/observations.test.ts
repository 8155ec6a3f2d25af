import { createMemoryMirror } from "@sticky-proxy/core/testing";
import { pending, type Observation } from "@sticky-proxy/core/mirror";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import { expect } from "chai";
import { createObservations } from "./observations.ts";

describe("buffered observations", () => {
  const mirror = createMemoryMirror({ now: () => 1000 });
  const row: Observation = {
    service: "users",
    route: "r",
    orderKey: "AAAAAAAAAAAAAAAAAAAAAA",
    outcome: "matched",
    count: 1,
    isCounted: false,
    window: 0,
    difference: null,
    limits: { ttlMs: 1000, maxDifferences: 10 },
  };

  it("keep their counts while the store is unavailable, each once, also above the limit of the buffer", async () => {
    let isAway = true;
    let left = 0;
    const observations = createObservations({
      observe: (observation) => {
        if (isAway && left-- <= 0) return Promise.reject(new StoreUnavailable("away"));
        return mirror.observe(observation);
      },
    });
    for (let i = 0; i < 250; i++) await observations.note(row);
    observations.sum({ ...row, outcome: "skipped:shed" });
    left = 120; // becomes unavailable again in the middle
    await observations.flush().catch(() => undefined);
    isAway = false;
    await observations.flush();
    await observations.flush();
    const { coverage } = (await mirror.coverage({ since: null, service: null }))[0]!;
    expect(coverage).to.include({ eligible: 251, matched: 250 });
    expect(coverage.skipped.get("shed")).to.equal(1);
    expect(pending(coverage)).to.equal(0);
  });

  it("count what is under way once, also when the answer to the write was lost", async () => {
    const store = createMemoryMirror({ now: () => 1000 });
    let losing = 3;
    const observations = createObservations({
      observe: async (observation) => {
        await store.observe(observation);
        if (losing-- > 0) throw new StoreUnavailable("the answer was lost");
      },
    });
    for (let i = 0; i < 2; i++) observations.sum({ ...row, outcome: null });
    for (let i = 0; i < 3; i++) await observations.flush().catch(() => undefined);
    const sums = async () => (await store.coverage({ since: null, service: null }))[0]!.coverage;
    expect(await sums()).to.include({ eligible: 2 });
    observations.sum({ ...row, outcome: null });
    await observations.flush();
    expect(await sums()).to.include({ eligible: 3 });
    for (let i = 0; i < 3; i++) await observations.note({ ...row, isCounted: true });
    expect(await sums()).to.include({ eligible: 3, matched: 3 });
  });
});
