import { defaultCachePolicy, judge, keyOf, variantOf } from "@sticky-proxy/core/cache";
import { MemoryCacheStore } from "@sticky-proxy/core/testing";
import type { Service } from "@sticky-proxy/core/registry";
import { expect } from "chai";
import { actWith } from "../connections/audit.ts";
import { createMemoryAudit } from "../testing.ts";
import { exitCodes, UsageError, type Parsed } from "../command.ts";
import type { CacheOperator } from "../connections/cache.ts";
import { command, show, top, warm } from "./cache.ts";
import { clearCache } from "./clear-cache.ts";

const policy = defaultCachePolicy();
const service = {
  name: "shop",
  match: { host: null, path: "/shop" },
  hostAliases: new Map(),
  authentication: "off",
  preserveHost: false,
  routes: [{ name: "all", match: { methods: [], path: "/" }, cache: policy }],
} as unknown as Service;
const at = { principal: "", scheme: "http", host: "" } as const;

describe("the cache from the command line", () => {
  let store: MemoryCacheStore;
  let operator: CacheOperator;
  let out: string[];
  let err: string[];
  const io = { out: (line: string) => out.push(line), err: (line: string) => err.push(line) };
  beforeEach(() => {
    store = new MemoryCacheStore(() => 1_800_000_000_000);
    operator = { store, services: [service], isAssumed: false, act: actWith(createMemoryAudit()) };
    out = [];
    err = [];
  });
  const parsed = (flags: Record<string, unknown> = {}, words: string[] = []): Parsed => ({
    flags: flags as Parsed["flags"],
    words,
  });
  async function put(path: string, tag = "t"): Promise<void> {
    const key = keyOf(service, policy, { path, query: null }, at);
    const lease = { key, flight: "", token: null };
    const { generation, now } = await store.begin(lease, null);
    const request = { method: "GET", path, query: null, headers: [] };
    const response = {
      status: 200,
      headers: [
        ["Cache-Control", "max-age=60"],
        ["Cache-Tag", tag],
      ] as const,
    };
    const times = { requestAt: now, responseAt: now };
    const judged = judge(request, response, policy, times, {
      service: "shop",
      url: `http://h/shop${path}`,
      generation,
    });
    if (!judged.storable) throw new Error(judged.reason);
    await store.commit({ lease, metadata: judged.metadata, replaces: null, maxVariants: 1 });
  }
  const has = async (path: string) =>
    (await store.lookup(keyOf(service, policy, { path, query: null }, at), (names) => variantOf([], names)))
      .stored !== null;

  it("clear-cache purges everything", async () => {
    await put("/a");
    expect(await clearCache(operator, parsed(), io, true)).to.equal(exitCodes.ok);
    expect(await has("/a")).to.equal(false);
    expect(out).to.deep.equal(["everything: gone"]);
  });
  it("cache purge without a selection is refused", async () => {
    let error: unknown = null;
    await clearCache(operator, parsed(), io, false).catch((thrown: unknown) => (error = thrown));
    expect(error).to.be.instanceOf(UsageError);
  });
  it("a purge by URL or path removes that URL only", async () => {
    for (const url of ["http://gateway.example/shop/a", "/shop/a"]) {
      await put("/a");
      await put("/b");
      expect(await clearCache(operator, parsed({ url }), io, true)).to.equal(exitCodes.ok);
      expect([await has("/a"), await has("/b")]).to.deep.equal([false, true]);
    }
  });
  it("a purge reports a URL where nothing was stored, and warns when the service is a guess", async () => {
    expect(await clearCache(operator, parsed({ url: "/shop/none" }), io, true)).to.equal(exitCodes.ok);
    expect(out).to.deep.equal(["/shop/none: nothing was stored"]);
    expect(err).to.deep.equal([]);
    const assumed = { ...operator, isAssumed: true };
    await clearCache(assumed, parsed({ url: "/shop/none" }), io, true);
    await show(assumed, parsed({}, ["/shop/none"]), io);
    await clearCache(assumed, parsed({ tag: ["red"] }), io, true);
    expect(err.filter((line) => line.startsWith("no configuration"))).to.have.lengthOf(2);
  });
  it("a purge prints its selection and its outcome as JSON", async () => {
    await clearCache(operator, parsed({ tag: ["red"], soft: true, json: true }), io, true);
    expect(out.map((line) => JSON.parse(line) as unknown)).to.deep.equal([
      {
        event: "cache.purged",
        kind: "tag",
        tag: "red",
        outcome: "purged",
        soft: true,
        held: null,
        removed: null,
      },
    ]);
    expect(await clearCache(operator, parsed({ url: "/elsewhere", json: true }), io, true)).to.equal(
      exitCodes.failed,
    );
    expect(JSON.parse(out[1] ?? "")).to.include({ kind: "url", url: "/elsewhere", outcome: "unknown-url" });
  });
  it("a purge removes a prefix, several tags, and a group of the only service", async () => {
    await put("/a/b");
    await clearCache(operator, parsed({ prefix: "/shop/a" }), io, true);
    expect(await has("/a/b")).to.equal(false);
    await put("/x", "red");
    await put("/y", "blue");
    await clearCache(operator, parsed({ tag: ["red", "blue"], soft: false }), io, true);
    expect([await has("/x"), await has("/y")]).to.deep.equal([false, false]);
    expect(await clearCache(operator, parsed({ group: "g" }), io, true)).to.equal(exitCodes.ok);
    expect(out.at(-1)).to.equal("group g of shop: gone");
  });
  it("a soft purge leaves the response for validation", async () => {
    await put("/a");
    await clearCache(operator, parsed({ all: true, soft: true }), io, true);
    expect(await has("/a")).to.equal(true);
    expect(out).to.deep.equal(["everything: stale from now"]);
  });
  it("a purge refuses two selections at once and a URL that no service has", async () => {
    let error: unknown = null;
    await clearCache(operator, parsed({ url: "/x", all: true }), io, true).catch(
      (thrown: unknown) => (error = thrown),
    );
    expect(error).to.be.instanceOf(UsageError);
    expect(await clearCache(operator, parsed({ url: "/elsewhere" }), io, true)).to.equal(exitCodes.failed);
    expect(err).to.deep.equal(["/elsewhere: no service has that URL"]);
  });
  it("cache show prints the variants of a URL, or that nothing is stored", async () => {
    await put("/a", "red");
    expect(await show(operator, parsed({}, ["/shop/a"]), io)).to.equal(exitCodes.ok);
    expect(out.join("\n")).to.match(
      /service shop\nkey [\w-]{43}\nhits 0\nSTATUS .*\n200 +fresh +0s +60s +max-age +0 +- +red/,
    );
    expect(await show(operator, parsed({}, ["/shop/none"]), io)).to.equal(exitCodes.failed);
    expect(err).to.deep.equal(["/shop/none: nothing is stored"]);
    out = [];
    await show(operator, parsed({ json: true }, ["/shop/a"]), io);
    expect((JSON.parse(out[0] ?? "") as { key: string }[])[0]?.key).to.have.lengthOf(43);
  });
  it("cache top prints the most used keys first", async () => {
    await put("/a");
    await put("/b");
    const key = keyOf(service, policy, { path: "/b", query: null }, at);
    await store.recordHits(new Map([[key, 5]]));
    await top(operator, parsed({ limit: "1" }), io);
    expect(out[1]).to.match(/^5 +0 +http:\/\/h\/shop\/b$/);
  });
  it("an unknown cache action is a usage error", () => {
    expect(() => command.run(["frob"], { ...io, env: {} } as never)).to.throw(UsageError);
  });

  it("cache warm requests every line at its rate and counts the results", async () => {
    const visited: string[] = [];
    let slept = 0;
    const visit = (url: string) => {
      visited.push(url);
      return Promise.resolve({ status: url.endsWith("/bad") ? 500 : 200, result: "MISS" });
    };
    const sleep = (ms: number) => {
      slept += ms;
      return Promise.resolve();
    };
    const text = "/a\n# a comment\n\nhttp://other.example/b\n/bad\n";
    const code = await warm({ text, gateway: "http://g:1", rate: 4, visit, sleep }, io);
    expect(code).to.equal(exitCodes.failed);
    expect(visited).to.deep.equal(["http://g:1/a", "http://other.example/b", "http://g:1/bad"]);
    expect(slept).to.equal(500);
    expect(out).to.deep.equal(["3 requested: 3 MISS; 1 failed"]);
  });
});
