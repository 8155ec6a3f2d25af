import { expect } from "chai";
import { after as later, every, sleep } from "./loop.ts";

/** A promise per turn, resolved by the test. */
function signal(): { promise: Promise<void>; fire: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { promise, fire: resolve };
}

const fail = (error: unknown): never => {
  throw error;
};

describe("loop", () => {
  it("runs repeatedly until it is stopped", async () => {
    const third = signal();
    let turns = 0;
    const loop = every(1, 0.2, () => void ((turns += 1) === 3 && third.fire()), { onError: fail });
    await third.promise;
    await loop.stop();
    const atStop = turns;
    await sleep(10);
    expect(turns).to.equal(atStop);
  });

  it("turns never overlap, however slow they are", async () => {
    const done = signal();
    let running = 0;
    let most = 0;
    let turns = 0;
    const loop = every(
      0,
      0,
      async () => {
        most = Math.max(most, (running += 1));
        await sleep(5);
        running -= 1;
        if ((turns += 1) === 3) done.fire();
      },
      { onError: fail, atOnce: true },
    );
    for (let i = 0; i < 10; i += 1) loop.wake();
    await done.promise;
    await loop.stop();
    expect(most).to.equal(1);
  });

  it("a turn that throws is reported, and the next one runs", async () => {
    const second = signal();
    const errors: unknown[] = [];
    let turns = 0;
    const loop = every(
      1,
      0,
      () => {
        turns += 1;
        if (turns === 2) second.fire();
        if (turns === 1) throw new Error("first");
      },
      { onError: (error) => errors.push(error) },
    );
    await second.promise;
    await loop.stop();
    expect(errors.map(String)).to.deep.equal(["Error: first"]);
  });

  it("stop resolves when the running turn has ended", async () => {
    const started = signal();
    const release = signal();
    let isEnded = false;
    const loop = every(
      0,
      0,
      async () => {
        started.fire();
        await release.promise;
        isEnded = true;
      },
      { onError: fail },
    );
    await started.promise;
    const stopping = loop.stop();
    release.fire();
    await stopping;
    expect(isEnded).to.equal(true);
  });

  it("wake starts a turn at once; several wakes during a turn start one more", async () => {
    const release = signal();
    const second = signal();
    let turns = 0;
    const loop = every(
      3_600_000,
      0,
      async () => {
        turns += 1;
        if (turns === 1) await release.promise;
        else second.fire();
      },
      { onError: fail },
    );
    loop.wake();
    loop.wake();
    loop.wake();
    release.fire();
    await second.promise;
    await loop.stop();
    expect(turns).to.equal(2);
  });

  it("jitter shortens or lengthens the period", async () => {
    for (const random of [0, 0.999]) {
      const turn = signal();
      const loop = every(10, 0.2, turn.fire, { onError: fail, random: () => random });
      await turn.promise;
      await loop.stop();
    }
  });

  it("after can be cancelled", async () => {
    let isRun = false;
    later(1, () => (isRun = true))();
    await sleep(5);
    expect(isRun).to.equal(false);
  });

  it("sleep ends when its signal aborts, and at once when it was aborted before", async () => {
    const controller = new AbortController();
    const sleeping = sleep(3_600_000, controller.signal);
    controller.abort();
    await sleeping;
    await sleep(3_600_000, controller.signal);
  });
});
