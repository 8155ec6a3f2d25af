import { expect } from "chai";
import type { Service } from "../registry/service.ts";
import { defaultCachePolicy } from "./policy.ts";
import { cachePoliciesAt, keyOf, keysOfUri, resourceOfUrl, shownHost } from "./resource.ts";

const policy = defaultCachePolicy();
const service = (changes: object = {}): Service =>
  ({
    name: "shop",
    match: { host: null, path: "/shop" },
    instances: [],
    hostAliases: new Map(),
    preserveHost: false,
    routes: [{ name: "reads", match: { methods: ["GET"], path: "/items" }, cache: policy }],
    ...changes,
  }) as unknown as Service;
const other = service({ name: "named", match: { host: "named.example", path: "/" } });
const at = { principal: "", scheme: "http", host: "any.example" } as const;

describe("the cache keys of a URI", () => {
  const urls: readonly [string, string | null][] = [
    ["/shop/items/1?a=1", "shop /items/1 ?a=1 http"],
    ["http://any.example/shop/items", "shop /items - http"],
    ["HTTPS://ANY.example:8443/shop/items#f", "shop /items - https"],
    ["http://named.example/x?", "named /x ? http"],
    ["http://named.example:8080", "named / - http"],
    ["/elsewhere", null],
    ["/shop/../x", null],
    ["/shop//x", "shop //x - http"],
    ["/shop/./items", "shop /items - http"],
    ["not a path", null],
    ["ftp://any.example/shop", null],
  ];
  for (const [url, expected] of urls) {
    it(`${url} is ${expected}`, () => {
      const found = resourceOfUrl([service(), other], url);
      const query = found?.query === null ? "-" : `?${found?.query}`;
      expect(
        found === null ? null : `${found.service.name} ${found.path} ${query} ${found.at.scheme}`,
      ).to.equal(expected);
    });
  }

  it("the service sees the configured host, and the client's host only where preserveHost is on", () => {
    expect(shownHost(service(), "evil.example")).to.equal("");
    expect(shownHost(other, "evil.example")).to.equal("named.example");
    expect(shownHost(service({ preserveHost: true }), "a.example")).to.equal("a.example");
  });
  it("the client's host is part of the key only where the service sees it", () => {
    const key = (one: Service, host: string) =>
      keyOf(one, policy, { path: "/items", query: null }, { ...at, host });
    expect(key(service(), "a")).to.equal(key(service(), "b"));
    const shown = service({ preserveHost: true });
    expect(key(shown, "a")).to.not.equal(key(shown, "b"));
  });
  it("only paths of a cached GET route are cached", () => {
    expect(cachePoliciesAt(service(), "/items/1")).to.deep.equal([policy]);
    expect(cachePoliciesAt(service(), "/other")).to.deep.equal([]);
  });
  it("a URI has a key for each scheme, and for the path below the prefix", () => {
    const keys = (path: string) => keysOfUri(service(), { path, query: null }, at);
    expect(keys("/items")).to.have.lengthOf(2);
    expect(keys("/shop/items")).to.deep.equal(keys("/items"));
    expect(keys("/other")).to.deep.equal([]);
    expect(keys("/items/../x")).to.deep.equal([]);
    expect(keys("/items")).to.include(keyOf(service(), policy, { path: "/items", query: null }, at));
  });
});
