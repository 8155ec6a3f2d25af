import { defaultCachePolicy } from "@sticky-proxy/core/cache";
import { MemoryCacheStore } from "@sticky-proxy/core/testing";
import { failedWith, type UpstreamOutcome } from "@sticky-proxy/upstream";
import { expect } from "chai";
import type { CacheDeps } from "./cache-deps.ts";
import type { CachedRequest } from "./cached-request.ts";
import { fetchLeaseMs, startFetch } from "./fetch.ts";

describe("a fetch of the cache", () => {
  it("renews its lease until it ends", async () => {
    let now = 0;
    const store = new MemoryCacheStore(() => now);
    const { promise: outcome, resolve: answer } = Promise.withResolvers<UpstreamOutcome>();
    let wake: () => void = () => {};
    let aborted = false;
    const sleep = (_: number, signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        wake = resolve;
        signal.addEventListener("abort", () => {
          aborted = true;
          resolve();
        });
      });
    const deps = {
      store,
      sleep,
      monotonic: () => now,
      observe: { storeError: () => undefined },
      forwarder: { forward: () => outcome },
    } as unknown as CacheDeps;
    const request = {
      key: "k",
      head: { method: "GET", path: "/", query: null, headers: [] },
      policy: defaultCachePolicy(),
    } as unknown as CachedRequest;
    const lease = { key: "k", flight: "", token: "leader" };
    const other = { ...lease, token: "other" };
    const isHeld = async (): Promise<boolean> => !(await store.begin(other, 1)).granted;
    const { generation } = await store.begin(lease, fetchLeaseMs);
    const fallback = { onErrorStatus: false, onDisconnect: false, isForbidden: false };
    const fetched = startFetch(
      deps,
      request,
      {
        validates: null,
        outdates: null,
        keepConditions: false,
        fallback,
        generation,
        now,
        signal: new AbortController().signal,
        onInformational: null,
      },
      { lease, mayStore: true, marker: null },
    );
    for (let round = 0; round < 4; round++) {
      now += fetchLeaseMs - 1;
      wake();
      await new Promise(setImmediate);
      expect(await isHeld()).to.equal(true);
    }
    answer(failedWith("upstream-unreachable", "connection_refused", "refused", { executed: "no" }));
    expect((await fetched).kind).to.equal("failed");
    await new Promise(setImmediate);
    expect([aborted, await isHeld()]).to.deep.equal([true, false]);
  });
});
