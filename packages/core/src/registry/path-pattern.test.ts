import { expect } from "chai";
import { isPathPattern, pathPatternFault, pathRule } from "./path-pattern.ts";

describe("the path of a route", () => {
  it("without pattern syntax is a prefix", () => {
    for (const path of ["/charges", "/processes:lookup", "/a+b", "/users('x')", "/a$b", "/"]) {
      expect(isPathPattern(path), path).to.equal(false);
      expect(pathRule(path)).to.include({ kind: "prefix" });
    }
    expect(pathRule("/charges").covers("/charges/1")).to.equal(true);
    expect(pathRule("/processes:lookup").covers("/processes:other")).to.equal(false);
  });

  const matches: readonly [string, readonly string[], readonly string[]][] = [
    [
      "/accounts/*/charges",
      ["/accounts/7/charges", "/accounts/a%20b/charges", "/accounts/7/8/charges"],
      ["/accounts/charges", "/accounts/7/charges/1", "/accounts/7/chargesx", "/x/accounts/7/charges"],
    ],
    [
      "/accounts/:id/charges",
      ["/accounts/7/charges", "/accounts/%C3%A9/charges", "/accounts/a%2Fb/charges"],
      ["/accounts/7/8/charges", "/accounts//charges", "/accounts/7/charges/", "/Accounts/7/charges"],
    ],
    ["/charges{/*}?", ["/charges", "/charges/", "/charges/1/2"], ["/chargesx"]],
    ["/:kind/{:id}.json", ["/a/b.json"], ["/a/b.jsonx", "/a/.json"]],
    ["/:id?", ["/1"], ["/1/2"]],
    ["/v1/:id?", ["/v1", "/v1/1"], ["/v", "/v1/1/2"]],
    ["/items/:id(\\d+)", ["/items/12"], ["/items/a"]],
    ["/(a|b)/x", ["/a/x", "/b/x"], ["/c/x"]],
    ["/files/:path+", ["/files/a", "/files/a/b"], ["/files"]],
    ["/:from-:to", ["/a-b"], ["/a"]],
    // A colon behind a name is a verb of the service.
    ["/jobs/:id:cancel", ["/jobs/1:cancel"], ["/jobs/1", "/jobs/1x", "/jobs/1:other"]],
    ["/jobs/*:cancel", ["/jobs/1:cancel"], ["/jobs/1:other"]],
    ["/:tenant/processes:lookup", ["/t/processes:lookup"], ["/t/processesx", "/t/processes:other"]],
    // What a request's path has in one spelling alone.
    ["/caf\u00e9/*", ["/caf%C3%A9/x"], ["/cafe/x"]],
    ["/%63af%c3%a9/*", ["/caf%C3%A9/x"], []],
    ["/list[1]/:x", ["/list%5B1%5D/y"], []],
    ["/a%7cb|c/:x", ["/a%7Cb%7Cc/y"], []],
    ["/a\\*b", ["/a*b"], ["/axb"]],
    ["/\\{a\\}", ["/%7Ba%7D"], ["/a"]],
    ["/*", ["/", "/a", "/a/b"], []],
  ];
  for (const [pattern, covered, others] of matches) {
    it(`${pattern} is a pattern`, () => {
      expect(isPathPattern(pattern)).to.equal(true);
      expect(pathPatternFault(pattern)).to.equal(null);
      const rule = pathRule(pattern);
      for (const path of covered) expect(rule.covers(path), path).to.equal(true);
      for (const path of others) expect(rule.covers(path), path).to.equal(false);
    });
  }

  for (const pattern of [
    "*",
    "/a{b",
    "/a}b/*",
    "/:a/:a",
    "/:id(",
    "/:id([)",
    "/a b/*",
    '/"/*',
    "/a#b/*",
    "/a?x=1&b={c}",
    "/a//:id",
    "/a/./:id",
    "/../:id",
    "/%2/*",
    "/%zz/*",
    "/a+b/*",
    "/*\n",
  ])
    it(`${JSON.stringify(pattern)} is refused`, () => expect(pathPatternFault(pattern)).to.be.a("string"));
});
