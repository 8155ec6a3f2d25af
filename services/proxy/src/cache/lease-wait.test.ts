import { MemoryCacheStore } from "@sticky-proxy/core/testing";
import { expect } from "chai";
import { createLeaseWait } from "./lease-wait.ts";

describe("the wait for the fetch lease of another node", () => {
  const held = { key: "k", flight: "", token: "other" };
  const own = { ...held, token: "own" };

  async function world() {
    let now = 0;
    const store = new MemoryCacheStore(() => now);
    const { revision } = await store.begin(held, 60_000);
    const sleeps: (() => Promise<void>)[] = [];
    const awaitLease = createLeaseWait({
      store,
      monotonic: () => now,
      sleep: async (ms) => {
        now += ms;
        await sleeps.shift()?.();
      },
    });
    return { store, sleeps, wait: (from = revision) => awaitLease(own, { revision: from }), revision };
  }

  it("grants the lease after the fetch of the other node failed", async () => {
    const { store, sleeps, wait } = await world();
    sleeps.push(() => store.finish(held, "failed"));
    expect(await wait()).to.include({ granted: true });
  });

  it("asks for another look-up when the key changed since the first one", async () => {
    const { wait, revision } = await world();
    expect(await wait(revision + 1)).to.deep.equal({ kind: "key-changed" });
  });

  it("ends when the response of the other node is marked as not shareable", async () => {
    const { store, sleeps, wait } = await world();
    sleeps.push(() => store.markUnshareable("k", "private", 20_000));
    expect(await wait()).to.deep.equal({ kind: "not-collapsed" });
  });

  it("gives up after ten seconds without a result", async () => {
    const { wait } = await world();
    expect(await wait()).to.equal(null);
  });
});
