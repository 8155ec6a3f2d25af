import { expect } from "chai";
import { formatHttpDate } from "@sticky-proxy/protocol/http";
import type { HeaderList } from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";
import { responseDirectives } from "./cache-control.ts";
import { ageValue, currentAgeMs, initialAgeMs, lifetimeOf } from "./freshness.ts";

const now = Date.UTC(2026, 10, 21, 8, 0, 0);
const at = (offsetSeconds: number): string => formatHttpDate(now + offsetSeconds * 1000);
const plain: Pick<CachePolicy, "defaultTtlMs" | "maxTtlMs" | "negativeTtlMs"> = {
  defaultTtlMs: null,
  maxTtlMs: null,
  negativeTtlMs: new Map(),
};
const lifetime = (headers: HeaderList, status = 200, policy = plain) =>
  lifetimeOf(status, headers, responseDirectives(headers), policy, now);

describe("Age (RFC 9111 5.1, 4.2.3)", () => {
  const values: readonly [string[], number][] = [
    [["30"], 30],
    [["30, 60"], 30],
    [["30", "60"], 30],
    [["030"], 30],
    [["-1"], 0],
    [["1.5"], 0],
    [["x"], 0],
    [['"30"'], 0],
    [["99999999999999"], 2 ** 31],
    [[], 0],
  ];
  for (const [lines, seconds] of values) {
    it(`${JSON.stringify(lines)} counts as ${seconds}`, () => {
      expect(ageValue(lines.map((line) => ["Age", line]))).to.equal(seconds);
    });
  }
  const times = { requestAt: now - 2000, responseAt: now };
  it("the age without Date and Age is the response delay", () => {
    expect(initialAgeMs([], times)).to.equal(2000);
  });
  it("a received Age counts from the time of the request", () => {
    expect(initialAgeMs([["Age", "10"]], times)).to.equal(12_000);
  });
  it("the apparent age applies when it is greater than the received Age", () => {
    expect(
      initialAgeMs(
        [
          ["Age", "10"],
          ["Date", at(-100)],
        ],
        times,
      ),
    ).to.equal(100_000);
  });
  it("a second that ends between Date and receipt does not increase the age", () => {
    const exchange = { requestAt: now - 10, responseAt: now + 10 };
    expect(initialAgeMs([["Date", at(-1)]], exchange)).to.equal(20);
    expect(initialAgeMs([["Date", at(-2)]], exchange)).to.equal(2000);
  });
  it("a Date in the future does not reduce the received Age", () => {
    expect(initialAgeMs([["Date", at(100)]], times)).to.equal(2000);
  });
  it("the resident time is added, and a clock set back subtracts nothing", () => {
    expect(currentAgeMs({ initialAgeMs: 5000, responseAt: now }, now + 3000)).to.equal(8000);
    expect(currentAgeMs({ initialAgeMs: 5000, responseAt: now }, now - 3000)).to.equal(5000);
  });
});

describe("lifetime (RFC 9111 4.2.1)", () => {
  const explicit: readonly [string, HeaderList, number][] = [
    ["s-maxage before max-age", [["Cache-Control", "max-age=5, s-maxage=60"]], 60],
    ["an s-maxage we cannot read is 0, not max-age", [["Cache-Control", "max-age=5, s-maxage=x"]], 0],
    [
      "max-age before Expires",
      [
        ["Cache-Control", "max-age=5"],
        ["Expires", at(60)],
      ],
      5,
    ],
    [
      "Expires less Date",
      [
        ["Date", at(-100)],
        ["Expires", at(60)],
      ],
      160,
    ],
    ["Expires less the time of receipt where Date is missing", [["Expires", at(60)]], 60],
    [
      "Expires less the time of receipt where Date is no date",
      [
        ["Date", "x"],
        ["Expires", at(60)],
      ],
      60,
    ],
    ["Expires in the past", [["Expires", at(-60)]], 0],
    ["Expires: 0", [["Expires", "0"]], 0],
    [
      "two Expires lines",
      [
        ["Expires", at(60)],
        ["Expires", at(60)],
      ],
      0,
    ],
    [
      "an invalid Expires stops the heuristic",
      [
        ["Expires", "x"],
        ["Last-Modified", at(-1000)],
      ],
      0,
    ],
    [
      "a targeted max-age before everything",
      [
        ["CDN-Cache-Control", "max-age=9"],
        ["Cache-Control", "s-maxage=1"],
      ],
      9,
    ],
    [
      "Expires does not count beside CDN-Cache-Control",
      [
        ["CDN-Cache-Control", "public"],
        ["Expires", at(60)],
      ],
      0,
    ],
  ];
  for (const [what, headers, seconds] of explicit) {
    it(what, () => expect(lifetime(headers).ms).to.equal(seconds * 1000));
  }

  const modified: HeaderList = [
    ["Last-Modified", at(-1000)],
    ["Date", at(0)],
  ];
  for (const status of [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]) {
    it(`${status} has a heuristic lifetime: a tenth of the time since Last-Modified (4.2.2)`, () => {
      expect(lifetime(modified, status)).to.deep.equal({ ms: 100_000, from: "heuristic" });
    });
  }
  for (const status of [201, 202, 302, 303, 307, 400, 403, 500, 502, 503, 599]) {
    it(`${status} has none, but with public it has`, () => {
      expect(lifetime(modified, status).ms).to.equal(0);
      expect(lifetime([...modified, ["Cache-Control", "public"]], status).ms).to.equal(100_000);
    });
  }
  it("a Last-Modified that is no date gives no lifetime", () => {
    for (const junk of ["yesterday", "0", "", "2020-01-01", "Sun, 31 Feb 1994 08:49:37 GMT"])
      expect(
        lifetime([
          ["Last-Modified", junk],
          ["Date", at(0)],
        ]),
        junk,
      ).to.deep.equal({ ms: 0, from: "none" });
  });
  it("a heuristic lifetime is at most a day, never negative", () => {
    expect(lifetime([["Last-Modified", at(-10_000_000)]]).ms).to.equal(86_400_000);
    expect(lifetime([["Last-Modified", at(1000)]]).ms).to.equal(0);
  });

  it("the route's default lifetime applies where the response has none", () => {
    const policy = { ...plain, defaultTtlMs: 7000 };
    expect(lifetime([], 200, policy)).to.deep.equal({ ms: 7000, from: "default" });
    expect(lifetime([["Cache-Control", "max-age=1"]], 200, policy).ms).to.equal(1000);
    expect(lifetime([], 302, policy).ms).to.equal(0);
    expect(lifetime([], 404, policy).ms).to.equal(0);
  });
  it("the negative lifetime of a status applies only without an explicit one", () => {
    const policy = { ...plain, negativeTtlMs: new Map([[503, 2000]]) };
    expect(lifetime([], 503, policy)).to.deep.equal({ ms: 2000, from: "negative" });
    expect(lifetime([["Cache-Control", "max-age=9"]], 503, policy).ms).to.equal(9000);
    expect(lifetime([], 502, policy).ms).to.equal(0);
  });
  it("maxTtlMs limits every lifetime", () => {
    const policy = { ...plain, maxTtlMs: 3000 };
    expect(lifetime([["Cache-Control", "max-age=9"]], 200, policy).ms).to.equal(3000);
    expect(lifetime(modified, 200, policy).ms).to.equal(3000);
  });
});
