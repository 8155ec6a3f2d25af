import { expect } from "chai";
import { cacheGroups, selectorOf, selectorsOf, selectorTags } from "./selectors.ts";

describe("selectors of a stored response", () => {
  const of = (path: string, headers: readonly [string, string][] = [], tags = true) => {
    const found = selectorsOf("shop", path, headers, tags);
    return found.ok ? found.selectors : found.reason;
  };

  it("a response has the selectors for everything, its service and every path prefix", () => {
    expect(of("/a/b")).to.deep.equal(["a", "v:shop", "p:shop:/", "p:shop:/a", "p:shop:/a/b"]);
  });
  it("a trailing slash adds no further prefix", () => {
    expect(of("/a/")).to.deep.equal(["a", "v:shop", "p:shop:/", "p:shop:/a"]);
    expect(selectorOf({ kind: "prefix", service: "shop", path: "/a/" })).to.equal("p:shop:/a");
  });
  it("Surrogate-Key and Cache-Tag are read once each, and only where the route allows tags", () => {
    const headers: [string, string][] = [
      ["Surrogate-Key", "x y"],
      ["Cache-Tag", "y,z"],
    ];
    expect(selectorTags(of("/", headers) as string[])).to.deep.equal(["x", "y", "z"]);
    expect(selectorTags(of("/", headers, false) as string[])).to.deep.equal([]);
  });
  it("groups are scoped to their service (RFC 9875)", () => {
    expect(
      of("/", [
        ["Cache-Groups", '"g, 1"'],
        ["Cache-Groups", '"h"'],
      ]),
    ).to.include.members(["r:shop:g, 1", "r:shop:h"]);
    expect(cacheGroups([["Cache-Groups", "g"]], "cache-groups")).to.deep.equal([]);
  });
  it("a response that a purge could not select exactly is not storable", () => {
    expect(of("/x".repeat(17))).to.equal("path-too-deep");
    expect(of("/x".repeat(16))).to.be.an("array");
    const tags = (count: number): string => Array.from({ length: count }, (_, i) => `t${i}`).join(" ");
    expect(of("/", [["Surrogate-Key", tags(3000)]])).to.be.an("array");
    const many = tags(3001);
    expect(of("/", [["Surrogate-Key", many]])).to.equal("too-many-tags");
    expect(of("/", [["Cache-Tag", "t".repeat(2000)]])).to.equal("too-many-tags");
  });
  it("selectors of different kinds are never equal", () => {
    expect(selectorOf({ kind: "tag", tag: "v:shop" })).to.equal("t:v:shop");
    expect(selectorOf({ kind: "tag", tag: "x".repeat(2000) })).to.equal(null);
  });
});
