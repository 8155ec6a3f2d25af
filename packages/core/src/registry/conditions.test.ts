import { expect } from "chai";
import { conditionCheck, conditionText, coversHost, type RequestFacts } from "./conditions.ts";

const facts = (over: Partial<RequestFacts> = {}): RequestFacts => ({
  host: null,
  query: null,
  headers: [],
  ...over,
});

describe("the conditions of a match", () => {
  it("a wildcard covers every name below its host, and not the host", () => {
    expect(coversHost("*.a.test", "x.a.test")).to.equal(true);
    expect(coversHost("*.a.test", "y.x.a.test")).to.equal(true);
    for (const host of ["a.test", ".a.test", "xa.test", "x.b.test", null])
      expect(coversHost("*.a.test", host), String(host)).to.equal(false);
    expect(coversHost("a.test", "a.test")).to.equal(true);
  });

  it("nothing asked is no check", () => {
    expect(conditionCheck({})).to.equal(null);
    expect(conditionCheck({ hosts: [], headers: {}, query: {} })).to.equal(null);
  });

  const values: readonly [string, string, boolean][] = [
    ["a", "a", true],
    ["a", "A", false],
    ["*", "", true],
    ["a*", "abc", true],
    ["*c", "abc", true],
    ["a*c", "abc", true],
    ["a*a", "a", false],
    ["a*b*c", "a1b2c", true],
    ["a*b*c", "a1c2b", false],
    ["*b*b", "b", false],
    ["**", "x", true],
    ["a.c", "abc", false],
  ];
  for (const [wanted, given, fits] of values) {
    it(`${JSON.stringify(wanted)} ${fits ? "takes" : "does not take"} ${JSON.stringify(given)}`, () => {
      const header = conditionCheck({ headers: { "x-a": wanted } })!;
      expect(header(facts({ headers: [["X-A", given]] }))).to.equal(fits ? null : "header x-a");
      const query = conditionCheck({ query: { a: wanted } })!;
      expect(query(facts({ query: `b=1&a=${encodeURIComponent(given)}` }))).to.equal(fits ? null : "query a");
    });
  }

  it("what is absent fits nothing, and one of several parameters is enough", () => {
    expect(conditionCheck({ headers: { "x-a": "*" } })!(facts())).to.equal("header x-a");
    expect(conditionCheck({ query: { a: "*" } })!(facts({ query: "b=1" }))).to.equal("query a");
    expect(conditionCheck({ query: { a: "2" } })!(facts({ query: "a=1&a=2" }))).to.equal(null);
    expect(conditionCheck({ hosts: ["a.test", "b.test"] })!(facts({ host: "b.test" }))).to.equal(null);
    expect(conditionCheck({ hosts: ["a.test"] })!(facts())).to.equal("host");
  });

  it("all must hold", () => {
    const check = conditionCheck({ hosts: ["a.test"], headers: { "x-a": "1" }, query: { q: "1" } })!;
    expect(check(facts({ host: "a.test", headers: [["x-a", "1"]], query: "q=1" }))).to.equal(null);
    expect(check(facts({ host: "a.test", headers: [["x-a", "1"]], query: "q=2" }))).to.equal("query q");
  });

  it("a derived name says them", () => {
    expect(conditionText({})).to.equal("");
    expect(conditionText({ hosts: ["a.test"], headers: { "x-a": "*" }, query: { v: "2" } })).to.equal(
      "host=a.test x-a=* ?v=2",
    );
  });
});
