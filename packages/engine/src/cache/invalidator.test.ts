import { expect } from "chai";
import type { HeaderList } from "@sticky-proxy/core/http";
import type { Change, ProcessStore, ProcessRecord } from "@sticky-proxy/core/process";
import type { Service } from "@sticky-proxy/core/registry";
import { createInvalidation, tellsOfChange, type CacheInvalidation } from "./invalidator.ts";
import { invalidatingStore } from "./invalidating-store.ts";
import { MemoryCacheStore } from "@sticky-proxy/core/testing";
import { defaultCachePolicy, keyOf, judge, CacheUnavailable } from "@sticky-proxy/core/cache";

const policy = defaultCachePolicy();
const service = {
  name: "shop",
  match: { host: null, path: "/shop" },
  instances: [{ name: "a", origin: "http://127.0.0.1:1", weight: 1 }],
  hostAliases: new Map(),
  authentication: "off",
  preserveHost: false,
  routes: [{ name: "reads", match: { methods: ["GET"], path: "/" }, cache: policy }],
} as unknown as Service;
const at = { principal: "", scheme: "http", host: "gateway" } as const;
const post = (path: string) => ({ method: "POST", path, query: null, headers: [] });

describe("invalidation by unsafe requests", () => {
  let store: MemoryCacheStore;
  let errors: string[];
  let invalidation: CacheInvalidation;
  beforeEach(() => {
    store = new MemoryCacheStore(() => 1_800_000_000_000);
    errors = [];
    invalidation = createInvalidation({
      store,
      publicOrigins: ["http://gateway"],
      onError: (operation) => errors.push(operation),
    });
  });
  const keyAt = (path: string, principal = "") =>
    keyOf(service, policy, { path, query: null }, { ...at, principal });
  async function put(path: string, headers: HeaderList = [], principal = ""): Promise<void> {
    const lease = { key: keyAt(path, principal), flight: "", token: null };
    const { generation, now } = await store.begin(lease, null);
    const response = { status: 200, headers: [["Cache-Control", "max-age=60"], ...headers] as HeaderList };
    const times = { requestAt: now, responseAt: now };
    const request = { method: "GET", path, query: null, headers: [] };
    const judged = judge(request, response, policy, times, { service: "shop", url: path, generation });
    if (!judged.storable) throw new Error(judged.reason);
    await store.commit({ lease, metadata: judged.metadata, replaces: null, maxVariants: 1 });
  }
  const has = async (path: string, principal = "") =>
    (await store.lookup(keyAt(path, principal), () => "")).stored !== null;

  it("a path with the service's prefix also invalidates the path below the prefix", async () => {
    await put("/item");
    const response = { status: 201, headers: [["Location", "http://gateway/shop/item"]] as HeaderList };
    await invalidation.afterUnsafe(service, post("/items"), response, at);
    expect(await has("/item")).to.equal(false);
  });

  it("what one principal changes is dropped for all, where principals have keys of their own", async () => {
    for (const principal of ["alice", "bob"]) {
      await put("/item", [], principal);
      await put("/other", [], principal);
    }
    const closed = { ...service, authentication: "required" } as Service;
    const answer = { status: 200, headers: [] };
    await invalidation.afterUnsafe(closed, post("/item"), answer, { ...at, principal: "alice" });
    expect([await has("/item", "alice"), await has("/item", "bob")]).to.deep.equal([false, false]);
    expect([await has("/other", "alice"), await has("/other", "bob")]).to.deep.equal([true, true]);
  });

  it("a key whose drop failed is not trusted until the drop is done", async () => {
    await put("/item");
    const { drop } = store;
    store.drop = () => Promise.reject(new CacheUnavailable("away"));
    await invalidation.afterUnsafe(service, post("/item"), { status: 200, headers: [] }, at);
    expect(errors).to.include("drop");
    expect(await invalidation.isTrusted(keyAt("/item"))).to.equal(false);
    expect(await invalidation.isTrusted(keyAt("/other"))).to.equal(true);
    store.drop = drop;
    expect(await invalidation.isTrusted(keyAt("/item"))).to.equal(true);
    expect(await has("/item")).to.equal(false);
  });

  it("pending drops are retried without a request for them, and a round ends at the first failure", async () => {
    for (const path of ["/a", "/b", "/c"]) await put(path);
    const { drop } = store;
    let tries = 0;
    store.drop = () => {
      tries++;
      return Promise.reject(new CacheUnavailable("away"));
    };
    for (const path of ["/a", "/b", "/c"])
      await invalidation.afterUnsafe(service, post(path), { status: 200, headers: [] }, at);
    tries = 0;
    await invalidation.payOwed();
    expect(tries).to.equal(1);
    store.drop = drop;
    await invalidation.payOwed();
    for (const path of ["/a", "/b", "/c"]) expect(await has(path)).to.equal(false);
  });

  it("no key is served from the cache while the soft purge of a group is pending", async () => {
    await put("/item");
    const { purge } = store;
    store.purge = () => Promise.resolve({ partitions: 1, missing: [0] });
    const headers: HeaderList = [["Cache-Group-Invalidation", '"g"']];
    await invalidation.afterUnsafe(service, post("/x"), { status: 200, headers }, at);
    expect(await invalidation.isTrusted(keyAt("/item"))).to.equal(false);
    store.purge = purge;
    expect(await invalidation.isTrusted(keyAt("/item"))).to.equal(true);
    expect(await has("/item")).to.equal(false);
  });

  const replies: readonly [string, number, HeaderList, boolean][] = [
    ["the service's answer", 200, [["Sticky-Source", "service"]], true],
    ["one that does not say whose it is", 200, [], true],
    [
      "the 202 that begins a process",
      202,
      [
        ["Sticky-Source", "gateway"],
        ["Sticky-Process-Id", "1.a.b"],
      ],
      true,
    ],
    [
      "a replay",
      200,
      [
        ["Sticky-Source", "store"],
        ["Idempotent-Replayed", "true"],
      ],
      false,
    ],
    [
      "a 202 that joins",
      202,
      [
        ["Sticky-Source", "gateway"],
        ["Sticky-Process-Id", "1.a.b"],
        ["Idempotent-Replayed", "true"],
      ],
      false,
    ],
    ["something stored", 200, [["sticky-source", "store"]], false],
    [
      "a problem of the gateway's",
      409,
      [
        ["Sticky-Source", "gateway"],
        ["Sticky-Process-Id", "1.a.b"],
      ],
      false,
    ],
  ];
  for (const [what, status, headers, expected] of replies) {
    it(`${what} ${expected ? "tells" : "does not tell"} of a change`, () => {
      expect(tellsOfChange({ status, headers })).to.equal(expected);
    });
  }

  describe("when a process ends", () => {
    const base = { service: "shop", operation: "POST /item", requestPayload: null } as ProcessRecord;
    const completed = (status: number, headers: HeaderList = []): Change =>
      ({
        set: { status: "completed" },
        result: { status, headers, body: new Uint8Array() },
      }) as unknown as Change;
    function processes(
      onCommit: () => Promise<void> = () => Promise.resolve(),
      head: unknown = null,
    ): ProcessStore {
      const inner = {
        partitions: 8,
        commit: async () => {
          await onCommit();
          return { kind: "committed" };
        },
        readRequest: () => Promise.resolve(head === null ? null : { head }),
      } as unknown as ProcessStore;
      return invalidatingStore(inner, { invalidation, services: () => [service] });
    }
    const options = { ifDue: false, writeId: "w" };

    it("a process drops its URI before the commit and after it", async () => {
      await put("/item");
      const seen: boolean[] = [];
      const store = processes(async () => {
        seen.push(await has("/item"));
        await put("/item"); // a GET that is answered between the two
      });
      await store.commit(base, completed(201), options);
      expect(seen).to.deep.equal([false]);
      expect(await has("/item")).to.equal(false);
      expect(store.partitions).to.equal(8);
    });
    it("a failure, a safe method and an intermediate step drop nothing", async () => {
      await put("/item");
      await processes().commit(base, completed(500), options);
      await processes().commit({ ...base, operation: "GET /item" }, completed(200), options);
      await processes().commit(
        base,
        { set: { phase: "backing-off" }, result: null } as unknown as Change,
        options,
      );
      expect(await has("/item")).to.equal(true);
    });
    it("the stored request gives the URI to drop, and the Location of the result another", async () => {
      await put("/long");
      await put("/made");
      const head = { ...post("/long"), headers: [["Host", "h"]] };
      const kept = { ...base, operation: `POST /${"x".repeat(59)}`, requestPayload: "r" } as ProcessRecord;
      await processes(undefined, head).commit(kept, completed(201, [["Location", "/made"]]), options);
      expect([await has("/long"), await has("/made")]).to.deep.equal([false, false]);
    });
    it("a truncated path drops everything below it", async () => {
      const long = `/deep/${"x".repeat(80)}`;
      await put(long);
      await put("/flat");
      const cut = { ...base, operation: `POST ${long}`.slice(0, 64) } as ProcessRecord;
      await processes().commit(cut, completed(200), options);
      expect([await has(long), await has("/flat")]).to.deep.equal([false, true]);
    });
  });
});
