import { asEpochMs, asFence, asScope } from "@sticky-proxy/protocol";
import type { Snapshot } from "@sticky-proxy/core/process";
import { expect } from "chai";
import { sharedReads } from "./shared-reads.ts";

const place = { partition: 1, scope: asScope("a"), epoch: asFence(7) };
const withResult = { withResult: true };

function counting() {
  const asked: unknown[][] = [];
  const read = sharedReads(async (...args) => {
    asked.push(args);
    return { now: asEpochMs(asked.length), record: null, result: null } satisfies Snapshot;
  });
  return { asked, read };
}

describe("shared reads", () => {
  it("who is woken by the same promise shares one read, also some steps later", async () => {
    const { asked, read } = counting();
    const woken = Promise.withResolvers<void>();
    const waiter = async (steps: number): Promise<Snapshot> => {
      await woken.promise;
      for (let i = 0; i < steps; i += 1) await Promise.resolve();
      return read({ ...place }, withResult);
    };
    const all = Promise.all([waiter(0), waiter(1), waiter(5)]);
    woken.resolve();
    expect((await all).map(({ now }) => now)).to.deep.equal([1, 1, 1]);
    expect(asked).to.have.length(1);
  });

  it("another turn asks anew: what was read before a notice is no answer to it", async () => {
    const { asked, read } = counting();
    await read(place, withResult);
    await new Promise(setImmediate);
    expect((await read(place, withResult)).now).to.equal(2);
    expect(asked).to.have.length(2);
  });

  it("reads with another process, epoch or result option are not shared", async () => {
    const { asked, read } = counting();
    await Promise.all([
      read(place, withResult),
      read(place, { withResult: false }),
      read({ ...place, epoch: null }, withResult),
      read({ ...place, scope: asScope("b") }, withResult),
      read({ ...place, partition: 2 }, withResult),
    ]);
    expect(asked).to.have.length(5);
  });
});
