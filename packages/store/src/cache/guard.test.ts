import { asMonotonicMs } from "@sticky-proxy/protocol";
import { CacheUnavailable } from "@sticky-proxy/core/cache";
import { expect } from "chai";
import { createCacheGuard } from "./guard.ts";

function guardAt(clock: { now: number }) {
  const options = {
    silenceMs: 1,
    firstSilenceMs: 1,
    failures: 3,
    openMs: 1000,
    clock: { monotonic: () => asMonotonicMs(clock.now) },
  };
  return createCacheGuard(options);
}

async function outcome(work: Promise<unknown>): Promise<unknown> {
  try {
    return await work;
  } catch (error) {
    expect(error).to.be.instanceOf(CacheUnavailable);
    return "unavailable";
  }
}

const fail = () => Promise.reject(new Error("gone"));
const succeed = () => Promise.resolve("ok");

describe("the guard of the cache's store", () => {
  it("returns results, and rejects with CacheUnavailable for every failure", async () => {
    const guard = guardAt({ now: 0 });
    expect(await outcome(guard.run(succeed))).to.equal("ok");
    expect(await outcome(guard.run(fail))).to.equal("unavailable");
  });

  it("rejects when Redis does not reply in time", async () => {
    const clock = { now: 0 };
    const guard = guardAt(clock);
    const waiting = outcome(guard.run(() => new Promise(() => {})));
    clock.now = 10;
    expect(await waiting).to.equal("unavailable");
  });

  it("continues to wait while other replies arrive", async () => {
    const clock = { now: 0 };
    const guard = guardAt(clock);
    let reply: (word: string) => void = () => {};
    const waiting = outcome(guard.run(() => new Promise((resolve) => (reply = resolve))));
    for (let turn = 0; turn < 5; turn++) {
      clock.now += 10;
      await guard.run(succeed);
      await new Promise((resolve) => setTimeout(resolve, 2)); // the timer's own time; no figure is asserted
    }
    reply("late");
    expect(await waiting).to.equal("late");
  });

  it("opens after consecutive failures, then allows one trial call, whose success closes it", async () => {
    const clock = { now: 0 };
    const guard = guardAt(clock);
    for (let i = 0; i < 3; i++) await outcome(guard.run(fail));
    let asked = 0;
    const ask = () => {
      asked++;
      return succeed();
    };
    expect(await outcome(guard.run(ask))).to.equal("unavailable");
    expect(asked).to.equal(0);
    clock.now = 1000;
    const results = await Promise.all([outcome(guard.run(ask)), outcome(guard.run(ask))]);
    expect(results).to.deep.equal(["ok", "unavailable"]);
    expect(await outcome(guard.run(ask))).to.equal("ok");
  });

  it("a failed trial call keeps it open", async () => {
    const clock = { now: 0 };
    const guard = guardAt(clock);
    for (let i = 0; i < 3; i++) await outcome(guard.run(fail));
    clock.now = 1000;
    await outcome(guard.run(fail));
    expect(guard.isOpen).to.equal(true);
    expect(await outcome(guard.run(succeed))).to.equal("unavailable");
  });
});
