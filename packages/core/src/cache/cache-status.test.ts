import { expect } from "chai";
import { bypassCause, formatCacheStatus, type CacheStatus } from "./cache-status.ts";

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
