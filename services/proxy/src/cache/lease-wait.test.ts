import { once } from "node:events";
import type { FlightNotice } from "@sticky-proxy/core/cache";
import { MemoryCacheStore } from "@sticky-proxy/core/testing";
import { expect } from "chai";
import { createLeaseWait, maxWaiting } from "./lease-wait.ts";

describe("the wait for the fetch lease of another node", () => {
  const held = { key: "k", flight: "", token: "other" };
  const own = { ...held, token: "own" };

  async function world() {
    let now = 0;
    let recheck: "at once" | "never" = "at once";
    const store = new MemoryCacheStore(() => now);
    const { revision } = await store.begin(held, 60_000);
    const sleeps: (() => Promise<void>)[] = [];
    const awaitLease = createLeaseWait({
      store,
      monotonic: () => now,
      sleep: async (ms, ended) => {
        if (recheck === "never") return once(ended, "abort").then(() => {});
        now += ms;
        await sleeps.shift()?.();
      },
    });
    const wait = (from = revision) => awaitLease(own, { revision: from });
    /** Waits until the notice comes, and sends it while the lease stays with the other node. */
    const waitFor = async (notice: FlightNotice) => {
      recheck = "never";
      const watched = Promise.withResolvers<FlightNotice>();
      const closed: string[] = [];
      store.watch = () => Promise.resolve({ notice: watched.promise, close: () => closed.push("closed") });
      const waited = wait();
      watched.resolve(notice);
      return [await waited, closed];
    };
    return { store, sleeps, wait, waitFor, revision, stopRechecks: () => (recheck = "never") };
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

  it("asks for another look-up when the other node notifies that it stored the response", async () => {
    const { waitFor } = await world();
    expect(await waitFor("stored")).to.deep.equal([{ kind: "key-changed" }, ["closed"]]);
  });

  it("ends when the other node notifies that the response cannot be stored", async () => {
    const { waitFor } = await world();
    expect(await waitFor("not-storable")).to.deep.equal([{ kind: "not-collapsed" }, ["closed"]]);
  });

  it("gives up after ten seconds without a result", async () => {
    const { wait } = await world();
    expect(await wait()).to.equal(null);
  });

  it("is refused at once while a thousand flights of the node wait, and possible again afterwards", async () => {
    const { store, wait, stopRechecks } = await world();
    stopRechecks();
    const waiting = Array.from({ length: maxWaiting }, () => wait());
    await new Promise(setImmediate);
    expect(await wait()).to.equal(null);
    await store.finish(held, "stored");
    await Promise.all(waiting);
    expect(await wait()).to.include({ granted: true });
  });
});
