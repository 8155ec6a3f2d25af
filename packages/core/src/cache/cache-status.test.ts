import { expect } from "chai";
import { bypassCause, formatCacheStatus, type CacheStatus } from "./cache-status.ts";
import { withoutUnkeyed } from "./poisoning.ts";

const none: CacheStatus = {
  hit: false,
  ttlMs: null,
  fwd: null,
  fwdStatus: null,
  stored: false,
  collapsed: false,
  detail: null,
  key: null,
};

describe("Cache-Status (RFC 9211)", () => {
  const rows: readonly [Partial<CacheStatus>, string][] = [
    [{ hit: true, ttlMs: 41_900 }, "sticky; hit; ttl=41"],
    [
      { hit: true, ttlMs: -1500, detail: "stale-while-revalidate" },
      "sticky; hit; ttl=-2; detail=stale-while-revalidate",
    ],
    [
      { fwd: "uri-miss", fwdStatus: 200, stored: true, collapsed: true },
      "sticky; fwd=uri-miss; fwd-status=200; stored; collapsed",
    ],
    [
      { fwd: "stale", fwdStatus: 503, ttlMs: -1500, detail: "stale-if-error" },
      "sticky; fwd=stale; fwd-status=503; ttl=-2; detail=stale-if-error",
    ],
    [{ fwd: "bypass", key: "abc" }, 'sticky; fwd=bypass; key="abc"'],
  ];
  for (const [status, text] of rows) {
    it(text, () => expect(formatCacheStatus({ ...none, ...status })).to.equal(text));
  }
  it("a bypass by a request directive is fwd=request, and one by configuration fwd=bypass", () => {
    expect([bypassCause("method"), bypassCause("no-store"), bypassCause("cookie")]).to.deep.equal([
      "method",
      "request",
      "bypass",
    ]);
  });
});

describe("request fields that are not part of the key", () => {
  it("are not forwarded, in any spelling", () => {
    const headers = [
      ["X-FORWARDED-HOST", "evil"],
      ["Forwarded", "host=evil"],
      ["x-original-url", "/admin"],
      ["Accept", "x"],
    ] as const;
    expect(withoutUnkeyed(headers, { keyHeaders: [] })).to.deep.equal([["Accept", "x"]]);
  });
  it("are forwarded when the route adds them to the key", () => {
    const headers = [["X-Forwarded-Host", "a"]] as const;
    expect(withoutUnkeyed(headers, { keyHeaders: ["x-forwarded-host"] })).to.deep.equal(headers);
  });
});
