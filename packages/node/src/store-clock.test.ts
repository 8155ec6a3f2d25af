import { asEpochMs, asMonotonicMs } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { openStoreClock } from "./store-clock.ts";

describe("a node's copy of the store's clock", () => {
  it("advances by the node's clock from the store's last reply, also while the store is unavailable", async () => {
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
