import { expect } from "chai";
import fc from "fast-check";
import { cacheKey, keyQuery, type KeyParts } from "./key.ts";

const all = { query: { sort: false, allow: null, deny: [] } };
const parts: KeyParts = { principal: "", service: "s", scheme: "http", host: "h", path: "/a", query: null };

describe("the cache key", () => {
  it("an absent query and an empty query have different keys", () => {
    expect(cacheKey(parts, all)).to.not.equal(cacheKey({ ...parts, query: "" }, all));
  });
  it("the host is compared case-insensitively", () => {
    expect(cacheKey(parts, all)).to.equal(cacheKey({ ...parts, host: "H" }, all));
  });
  it("different components have different keys, wherever the boundary between them lies", () => {
    const part = fc.stringMatching(/^[a-z0-9:;]{0,6}$/);
    const record = fc.record({
      principal: part,
      service: part,
      scheme: part,
      host: part,
      path: part,
      query: fc.option(part),
    });
    fc.assert(
      fc.property(record, record, (a, b) => {
        const equal = (Object.keys(a) as (keyof KeyParts)[]).every((name) => a[name] === b[name]);
        expect(cacheKey(a, all) === cacheKey(b, all)).to.equal(equal);
      }),
    );
  });

  const rules: readonly [
    string,
    { sort: boolean; allow: string[] | null; deny: string[] },
    string | null,
    string | null,
  ][] = [
    ["byte for byte by default", { sort: false, allow: null, deny: [] }, "b=1&a=%41", "b=1&a=%41"],
    [
      "sorted by name, equal names in their order",
      { sort: true, allow: null, deny: [] },
      "b=1&a=2&a=1",
      "a=2&a=1&b=1",
    ],
    [
      "denied names and prefixes leave",
      { sort: false, allow: null, deny: ["utm_*", "x"] },
      "utm_source=1&a=2&x=3&xy=4",
      "a=2&xy=4",
    ],
    ["only allowed names stay", { sort: false, allow: ["a"], deny: [] }, "a=1&b=2", "a=1"],
    ["nothing left is no query", { sort: false, allow: [], deny: [] }, "a=1", null],
    [
      "an escaped name is the same name",
      { sort: false, allow: null, deny: ["utm_x"] },
      "%75tm_x=1&a=1",
      "a=1",
    ],
  ];
  for (const [what, query, given, expected] of rules) {
    it(`query: ${what}`, () => expect(keyQuery(given, { query })).to.equal(expected));
  }
});
