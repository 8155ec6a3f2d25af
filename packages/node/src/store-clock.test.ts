import { asEpochMs, asMonotonicMs } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { openStoreClock } from "./store-clock.ts";

describe("the store's clock as a node keeps it", () => {
  it("goes on by the node's own clock from the store's last answer, and keeps it while the store is away", async () => {
    let own = 100;
    let answer: () => Promise<number> = () => Promise.resolve(5_000_000);
    const clock = await openStoreClock(async () => asEpochMs(await answer()), {
      monotonic: () => asMonotonicMs(own),
    });
    expect(clock.now()).to.equal(5_000_000);
    own = 350;
    expect(clock.now()).to.equal(5_000_250);
    answer = () => Promise.resolve(6_000_000); // a failover to a server whose clock is ahead
    await clock.refresh();
    expect(clock.now()).to.equal(6_000_000);
    answer = () => Promise.reject(new Error("away"));
    expect(await clock.refresh().catch((error: Error) => error.message)).to.equal("away");
    own = 351;
    expect(clock.now()).to.equal(6_000_001);
  });
});
