import { expect } from "chai";
import fc from "fast-check";
import { formatHttpDate } from "@sticky-proxy/protocol/http";
import type { HeaderLine, HeaderList, RequestHead } from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";
import { defaultCachePolicy } from "./policy.ts";
import { maxRetainMs } from "./retention.ts";
import { judge } from "./storable.ts";
import type { NotStorable } from "./storage-refusal.ts";

const now = Date.UTC(2026, 10, 21, 8, 0, 0);
const times = { requestAt: now, responseAt: now };
const from = { service: "shop", url: "http://h/shop/a", generation: 7 };
const safe = defaultCachePolicy();
const conformance = defaultCachePolicy("conformance");
const get = (headers: HeaderList = [], method = "GET"): RequestHead => ({
  method,
  path: "/a",
  query: null,
  headers,
});
const fresh: HeaderLine = ["Cache-Control", "max-age=60"];

function reason(
  status: number,
  headers: HeaderList,
  request: RequestHead = get(),
  policy: CachePolicy = conformance,
): NotStorable | "stored" {
  const judgement = judge(request, { status, headers }, policy, times, from);
  return judgement.storable ? "stored" : judgement.reason;
}

describe("storing a response (RFC 9111 3)", () => {
  const table: readonly [string, number, HeaderList, NotStorable | "stored", RequestHead?][] = [
    ["explicit freshness", 200, [fresh], "stored"],
    ["explicit freshness on any final status", 599, [fresh], "stored"],
    ["a validator alone, for a later validation", 200, [["ETag", '"a"']], "stored"],
    ["nothing that makes it fresh or lets it be validated", 200, [], "no-freshness"],
    ["a status without a heuristic and without explicit freshness", 201, [["ETag", '"a"']], "no-freshness"],
    [
      "a lifetime of 0, no validator, never to be served stale",
      200,
      [["Cache-Control", "max-age=0, must-revalidate"]],
      "no-freshness",
    ],
    [
      "no-cache, which is not among what makes any status storable",
      302,
      [
        ["Cache-Control", "no-cache"],
        ["ETag", '"a"'],
      ],
      "no-freshness",
    ],
    [
      "private for one field, which is not either",
      302,
      [
        ["Cache-Control", 'private="a"'],
        ["ETag", '"a"'],
      ],
      "no-freshness",
    ],
    ["no-store (5.2.2.5)", 200, [["Cache-Control", "no-store, max-age=60"]], "no-store"],
    ["no-store in any case", 200, [["Cache-Control", "No-StOrE, max-age=60"]], "no-store"],
    ["no-store on a second line", 200, [fresh, ["Cache-Control", "no-store"]], "no-store"],
    ["private (5.2.2.7)", 200, [["Cache-Control", "private, max-age=60"]], "private"],
    ["private with an empty list", 200, [["Cache-Control", 'private="", max-age=60']], "private"],
    ["private for one field", 200, [["Cache-Control", 'private="a", max-age=60']], "stored"],
    [
      "no-cache with a validator (5.2.2.4)",
      200,
      [
        ["Cache-Control", "no-cache"],
        ["ETag", '"a"'],
      ],
      "stored",
    ],
    [
      "must-understand of a known status lifts no-store (5.2.2.3)",
      200,
      [["Cache-Control", "must-understand, no-store, max-age=60"]],
      "stored",
    ],
    [
      "must-understand of an unknown status",
      299,
      [["Cache-Control", "must-understand, max-age=60"]],
      "status",
    ],
    ["206 (3.3)", 206, [fresh], "status"],
    ["304", 304, [fresh], "status"],
    ["Vary: * (4.1)", 200, [fresh, ["Vary", "a, *"]], "vary-star"],
    [
      "no-store of the request (5.2.1.5)",
      200,
      [fresh],
      "request-no-store",
      get([["Cache-Control", "no-store"]]),
    ],
    ["Authorization (3.5)", 200, [fresh], "authorization", get([["Authorization", "x"]])],
    [
      "Authorization, public",
      200,
      [["Cache-Control", "public, max-age=60"]],
      "stored",
      get([["Authorization", "x"]]),
    ],
    [
      "Authorization, s-maxage",
      200,
      [["Cache-Control", "s-maxage=60"]],
      "stored",
      get([["Authorization", "x"]]),
    ],
    [
      "Authorization, must-revalidate",
      200,
      [["Cache-Control", "must-revalidate, max-age=60"]],
      "stored",
      get([["Authorization", "x"]]),
    ],
    [
      "Authorization, proxy-revalidate",
      200,
      [["Cache-Control", "proxy-revalidate, max-age=60"]],
      "authorization",
      get([["Authorization", "x"]]),
    ],
    ["a HEAD's answer has no body to store", 200, [fresh], "method", get([], "HEAD")],
    ["PUT", 200, [fresh], "method", get([], "PUT")],
    ["POST", 200, [fresh], "method", get([], "POST")],
    [
      "POST with Content-Location of its own (RFC 9110 9.3.3)",
      200,
      [fresh, ["Content-Location", "/a"]],
      "stored",
      get([], "POST"),
    ],
    [
      "POST with Content-Location of another",
      200,
      [fresh, ["Content-Location", "/b"]],
      "method",
      get([], "POST"),
    ],
    [
      "POST with Content-Location and only a validator",
      200,
      [
        ["ETag", '"a"'],
        ["Content-Location", "/a"],
      ],
      "method",
      get([], "POST"),
    ],
    [
      "CDN-Cache-Control lifts no-store (RFC 9213 2.2)",
      200,
      [
        ["CDN-Cache-Control", "max-age=60"],
        ["Cache-Control", "no-store"],
      ],
      "stored",
    ],
    ["CDN-Cache-Control: private", 200, [["CDN-Cache-Control", "private"], fresh], "private"],
    ["a body announced as too large", 200, [fresh, ["Content-Length", "9000000"]], "too-large"],
    ["fields past 64 KiB", 200, [fresh, ["X-A", "a".repeat(70_000)]], "headers-too-large"],
  ];
  for (const [what, status, headers, expected, request] of table) {
    it(`${expected}: ${what}`, () => expect(reason(status, headers, request)).to.equal(expected));
  }

  it("a 206 is stored by the conformance profile when it has a complete Content-Range (RFC 9111 3.3)", () => {
    const part = (length: string): HeaderList => [
      fresh,
      ["Content-Range", "bytes 2-4/9"],
      ["Content-Length", length],
    ];
    const ranged = get([["Range", "bytes=2-4"]]);
    expect(reason(206, part("3"), ranged)).to.equal("stored");
    expect(reason(206, part("4"), ranged)).to.equal("status");
    expect(reason(206, part("3"), get())).to.equal("status");
    expect(reason(206, part("3"), ranged, safe)).to.equal("status");
    expect(reason(416, [fresh], ranged)).to.equal("status");
  });
  it("Set-Cookie is stored by the conformance profile and never by the safe profile", () => {
    const headers: HeaderList = [fresh, ["Set-Cookie", "a=b"]];
    expect(reason(200, headers, get(), safe)).to.equal("set-cookie");
    expect(reason(200, headers)).to.equal("stored");
  });

  it("a response that is stale on receipt and has no validator is not stored by the safe profile (RFC 9111 4.2.4)", () => {
    const headers: HeaderList = [["Cache-Control", "max-age=0"]];
    expect(reason(200, headers)).to.equal("stored");
    expect(reason(200, headers, get(), safe)).to.equal("no-freshness");
    expect(reason(200, [["Cache-Control", "max-age=0, stale-if-error=9"]], get(), safe)).to.equal("stored");
  });

  it("no-store and private override every other directive of a response", () => {
    const line = fc.tuple(
      fc.constantFrom("Cache-Control", "Expires", "ETag", "Last-Modified", "Vary", "Pragma"),
      fc.constantFrom("public, s-maxage=60", "max-age=60", formatHttpDate(now + 60_000), '"a"', "x"),
    );
    fc.assert(
      fc.property(fc.array(line), fc.constantFrom("no-store", "private"), fc.nat(), (lines, word, place) => {
        const headers = [...lines];
        headers.splice(place % (lines.length + 1), 0, ["Cache-Control", word]);
        expect(reason(200, headers)).to.equal(word);
      }),
    );
  });
});

describe("the metadata of a stored response", () => {
  const keep = (headers: HeaderList, policy: CachePolicy = conformance) => {
    const judgement = judge(get(), { status: 200, headers }, policy, times, from);
    if (!judgement.storable) throw new Error(judgement.reason);
    return judgement.metadata;
  };
  const names = (headers: HeaderList) => keep(headers).headers.map(([name]) => name.toLowerCase());

  it("hop-by-hop fields and fields listed in Connection are not stored (RFC 9111 3.1)", () => {
    const kept = names([
      fresh,
      ["Connection", "X-Hop, close"],
      ["X-Hop", "1"],
      ["Keep-Alive", "5"],
      ["Transfer-Encoding", "chunked"],
      ["Proxy-Authenticate", "x"],
      ["Proxy-Authentication-Info", "x"],
      ["Upgrade", "x"],
      ["Trailer", "x"],
      ["X-End", "1"],
      ["Date", formatHttpDate(now)],
    ]);
    expect(kept).to.deep.equal(["cache-control", "x-end", "date"]);
  });
  it("fields that no-cache or private lists are not stored", () => {
    const kept = names([
      ["Cache-Control", 'max-age=9, no-cache="X-A, x-b"'],
      ["Cache-Control", 'private="x-c"'],
      ["X-A", "1"],
      ["X-B", "1"],
      ["X-C", "1"],
      ["X-D", "1"],
    ]);
    expect(kept).to.include("x-d").and.not.include.members(["x-a"]);
    expect(kept).to.not.include("x-b");
    expect(kept).to.not.include("x-c");
  });
  it("Age is not stored, and Date always is", () => {
    expect(names([fresh, ["Age", "5"]])).to.deep.equal(["cache-control", "date"]);
    expect(keep([fresh, ["Age", "5"]]).initialAgeMs).to.equal(5000);
  });
  it("no-cache and the directives that prohibit stale reuse are recorded", () => {
    expect(keep([fresh]).neverStale).to.equal(false);
    for (const word of ["must-revalidate", "proxy-revalidate", "s-maxage=9"]) {
      expect(keep([["Cache-Control", `max-age=9, ${word}`]]).neverStale, word).to.equal(true);
    }
    const noCache = keep([
      ["Cache-Control", "no-cache"],
      ["ETag", '"a"'],
    ]);
    expect([noCache.noCache, noCache.neverStale]).to.deep.equal([true, true]);
  });
  it("the route's stale windows apply where the response has none", () => {
    const policy = { ...conformance, staleIfErrorMs: 5000, staleWhileRevalidateMs: 4000 };
    expect(keep([fresh], policy)).to.include({ staleIfErrorMs: 5000, staleWhileRevalidateMs: 4000 });
    const own = keep([["Cache-Control", "max-age=9, stale-if-error=1, stale-while-revalidate=2"]], policy);
    expect(own).to.include({ staleIfErrorMs: 1000, staleWhileRevalidateMs: 2000 });
  });
  it("lifetimes chosen by the gateway get jitter, explicit ones do not", () => {
    const policy = { ...conformance, ttlJitter: 0.1, defaultTtlMs: 100_000 };
    const lifetimes = Array.from({ length: 50 }, (_, generation) => {
      const judgement = judge(get(), { status: 200, headers: [] }, policy, times, { ...from, generation });
      return judgement.storable ? judgement.metadata.lifetimeMs : 0;
    });
    expect(Math.min(...lifetimes)).to.be.within(90_000, 94_000);
    expect(Math.max(...lifetimes)).to.be.within(96_000, 100_000);
    expect(keep([fresh], policy).lifetimeMs).to.equal(60_000);
  });
  it("retention covers the lifetime and the stale windows, up to a maximum", () => {
    expect(keep([["Cache-Control", "max-age=60, stale-if-error=100000"]]).retainMs).to.equal(100_060_000);
    expect(keep([["Cache-Control", "max-age=99999999999"]]).retainMs).to.equal(maxRetainMs);
  });
});
