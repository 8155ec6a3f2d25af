import { defaultCachePolicy, judge, keyOf, type CacheStore } from "@sticky-proxy/core/cache";
import type { Service } from "@sticky-proxy/core/registry";
import { MemoryCacheStore, testRoute, testService } from "@sticky-proxy/core/testing";
import { expect } from "chai";
import { purgeCache, type PurgeRequest } from "./purge.ts";
import { showUrl } from "./show-url.ts";
import { topKeys } from "./top-keys.ts";

const policy = defaultCachePolicy();
const shop: Service = testService({
  name: "shop",
  match: { host: null, path: "/shop" },
  routes: [testRoute({ match: { methods: [], path: "/" }, cache: policy })],
});

function world() {
  let now = 1_800_000_000_000;
  const store = new MemoryCacheStore(() => now);
  const ports = { store, services: [shop] };
  const keyAt = (path: string) =>
    keyOf(shop, policy, { path, query: null }, { principal: "", scheme: "http", host: "" });
  return {
    store,
    ports,
    keyAt,
    advance: (ms: number) => (now += ms),
    async put(path: string, tag = "t"): Promise<void> {
      const lease = { key: keyAt(path), flight: "", token: null };
      const begun = await store.begin(lease, null);
      const headers = [
        ["Cache-Control", "max-age=60"],
        ["Cache-Tag", tag],
      ] as const;
      const judged = judge(
        { method: "GET", path, query: null, headers: [] },
        { status: 200, headers },
        policy,
        { requestAt: begun.now, responseAt: begun.now },
        { service: "shop", url: `http://h/shop${path}`, generation: begun.generation },
      );
      if (!judged.storable) throw new Error(judged.reason);
      await store.commit({ lease, metadata: judged.metadata, replaces: null, maxVariants: 1 });
    },
    /** "fresh", "stale", or "none", for each path. */
    async states(...paths: string[]): Promise<string[]> {
      const states: string[] = [];
      for (const path of paths) {
        const variants = (await showUrl(ports, `/shop${path}`))?.flatMap((view) => view.variants) ?? [];
        states.push(variants.length === 0 ? "none" : variants[0]!.isStale ? "stale" : "fresh");
      }
      return states;
    },
  };
}

describe("operating the cache", () => {
  it("a purge of a URL takes that URL only and says whether something was stored", async () => {
    const w = world();
    await w.put("/a");
    await w.put("/b");
    const purge = (url: string) => purgeCache(w.ports, { kind: "url", url }, false);
    expect(await purge("http://any.example/shop/a")).to.deep.equal({
      outcome: "purged",
      soft: false,
      held: true,
      removed: 1,
    });
    expect(await purge("/shop/a")).to.include({ held: false });
    expect(await w.states("/a", "/b")).to.deep.equal(["none", "fresh"]);
  });

  it("a URL of no configured service is found by what is stored", async () => {
    const w = world();
    await w.put("/a");
    await w.put("/b");
    const ports = { ...w.ports, services: [] };
    const purge = (url: string) => purgeCache(ports, { kind: "url", url }, false);
    const [url] = (await w.ports.store.top(9)).map((key) => key.url).filter((one) => one.endsWith("/a"));
    expect(await purge(url!)).to.include({ outcome: "purged", removed: 1 });
    expect(await w.states("/a", "/b")).to.deep.equal(["none", "fresh"]);
    expect(await purge(url!)).to.deep.equal({ outcome: "unknown-url" });
  });

  it("a purge takes what its prefix, tag, service or everything selects, and leaves the rest", async () => {
    const requests: [PurgeRequest, string[]][] = [
      [{ kind: "url-prefix", url: "/shop/a" }, ["none", "fresh"]],
      [{ kind: "tag", tag: "red" }, ["fresh", "none"]],
      [{ kind: "service", service: "shop" }, ["none", "none"]],
      [{ kind: "service", service: "other" }, ["fresh", "fresh"]],
      [{ kind: "all" }, ["none", "none"]],
    ];
    for (const [request, expected] of requests) {
      const w = world();
      await w.put("/a/1", "blue");
      await w.put("/b/1", "red");
      expect(await purgeCache(w.ports, request, false)).to.include({ outcome: "purged", held: null });
      expect(await w.states("/a/1", "/b/1"), JSON.stringify(request)).to.deep.equal(expected);
    }
  });

  it("a soft purge leaves the response stale, for validation", async () => {
    const w = world();
    await w.put("/a");
    await purgeCache(w.ports, { kind: "url", url: "/shop/a" }, true);
    expect(await w.states("/a")).to.deep.equal(["stale"]);
  });

  it("a purge names the partitions that did not acknowledge", async () => {
    const { ports } = world();
    const store = Object.assign(Object.create(ports.store) as CacheStore, {
      purge: () => Promise.resolve({ missing: [3] }),
    });
    expect(await purgeCache({ ...ports, store }, { kind: "all" }, false)).to.deep.equal({
      outcome: "incomplete",
      missing: [3],
    });
  });

  it("a URL that no service has is neither purged nor shown", async () => {
    const { ports } = world();
    for (const kind of ["url", "url-prefix"] as const)
      expect(await purgeCache(ports, { kind, url: "/elsewhere" }, false)).to.deep.equal({
        outcome: "unknown-url",
      });
    expect(await showUrl(ports, "/elsewhere")).to.equal(null);
    expect(await showUrl(ports, "/shop/never-requested")).to.deep.equal([]);
  });

  it("a URL shows its variants with age, remaining lifetime and tags", async () => {
    const w = world();
    await w.put("/a", "red");
    w.advance(20_000);
    const [view] = (await showUrl(w.ports, "/shop/a"))!;
    expect(view).to.include({ url: "/shop/a", key: w.keyAt("/a"), service: "shop" });
    expect(view!.variants[0]).to.deep.include({
      status: 200,
      ageMs: 20_000,
      ttlMs: 40_000,
      lifetimeFrom: "max-age",
      tags: ["red"],
    });
  });

  it("the most used keys come first, with the size of the whole cache", async () => {
    const w = world();
    await w.put("/a");
    await w.put("/b");
    await w.store.recordHits(new Map([[w.keyAt("/b"), 5]]));
    const { keys, totalBytes } = await topKeys(w.ports, 1);
    expect(keys.map(({ url, hits }) => `${url} ${hits}`)).to.deep.equal(["http://h/shop/b 5"]);
    expect(totalBytes).to.equal(await w.store.totalBytes());
  });
});
