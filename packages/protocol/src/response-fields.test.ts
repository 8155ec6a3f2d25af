import { formatHttpDate, parseHttpDate } from "./http/http-date.ts";
import { expect } from "chai";
import fc from "fast-check";
import {
  formatLinks,
  formatProxyStatus,
  formatRetryAfter,
  formatVersionTag,
  matchesVersionTag,
  parseRetryAfter,
} from "./response-fields.ts";

const now = Date.UTC(2026, 10, 21, 8, 0, 0);

describe("Retry-After", () => {
  it("is written in whole seconds, never zero", () => {
    expect(formatRetryAfter(0)).to.equal("1");
    expect(formatRetryAfter(1000)).to.equal("1");
    expect(formatRetryAfter(1001)).to.equal("2");
  });

  it("is read as seconds or as a date", () => {
    expect(parseRetryAfter("120", now)).to.equal(120_000);
    expect(parseRetryAfter("0", now)).to.equal(0);
    expect(parseRetryAfter(formatHttpDate(now + 5000), now)).to.equal(5000);
    expect(parseRetryAfter(formatHttpDate(now - 5000), now)).to.equal(0);
  });

  it("is bounded by a year and null for anything else", () => {
    expect(parseRetryAfter("9".repeat(400), now)).to.equal(31_536_000_000);
    expect(parseRetryAfter("Fri, 31 Dec 9999 23:59:59 GMT", now)).to.equal(31_536_000_000);
    for (const value of ["", "-1", "1.5", "soon", "1h"])
      expect(parseRetryAfter(value, now), value).to.equal(null);
  });
});

describe("parseHttpDate", () => {
  it("reads the three forms of RFC 9110 5.6.7", () => {
    const epoch = Date.UTC(1994, 10, 6, 8, 49, 37);
    expect(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT", now)).to.equal(epoch);
    expect(parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT", now)).to.equal(epoch);
    expect(parseHttpDate("Sun Nov  6 08:49:37 1994", now)).to.equal(epoch);
  });

  it("puts a two-digit year more than 50 years ahead into the past", () => {
    expect(parseHttpDate("Sunday, 06-Nov-76 00:00:00 GMT", now)).to.equal(Date.UTC(2076, 10, 6));
    expect(parseHttpDate("Sunday, 06-Nov-77 00:00:00 GMT", now)).to.equal(Date.UTC(1977, 10, 6));
  });

  it("refuses days and times that do not exist, and other forms", () => {
    for (const text of [
      "Sun, 31 Feb 2026 00:00:00 GMT",
      "Sun, 00 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 24:00:00 GMT",
      "Sun, 06 Nov 1994 08:49:37 UTC",
      "Sun, 6 Nov 1994 08:49:37 GMT",
      "1994-11-06T08:49:37Z",
      "784111777",
      "",
    ]) {
      expect(parseHttpDate(text, now), text).to.equal(null);
    }
  });

  it("reads back every date that is written", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (seconds) => {
        expect(parseHttpDate(formatHttpDate(seconds * 1000), now)).to.equal(seconds * 1000);
      }),
    );
  });
});

describe("version tags", () => {
  it("match by weak comparison, in lists, and by star", () => {
    expect(formatVersionTag(7)).to.equal('"v7"');
    expect(matchesVersionTag([], 7)).to.equal(false);
    expect(matchesVersionTag(['"v7"'], 7)).to.equal(true);
    expect(matchesVersionTag(['W/"v7"'], 7)).to.equal(true);
    expect(matchesVersionTag(['"a,b", "v7"'], 7)).to.equal(true);
    expect(matchesVersionTag(['"v6"', '"v7"'], 7)).to.equal(true);
    expect(matchesVersionTag(["*"], 7)).to.equal(true);
    for (const line of ['"v70"', '"xv7"', "v7", '"V7"', ""]) {
      expect(matchesVersionTag([line], 7), line).to.equal(false);
    }
  });
});

describe("Link", () => {
  it("names each target with its relation", () => {
    expect(
      formatLinks([
        { target: "/a", rel: "status" },
        { target: "/b>c", rel: "successor" },
      ]),
    ).to.equal('</a>; rel="status", </b%3Ec>; rel="successor"');
  });
});

describe("Proxy-Status", () => {
  it("names the proxy, the error and what was received (RFC 9209)", () => {
    expect(formatProxyStatus({ proxy: "sticky-proxy", error: "connection_timeout" })).to.equal(
      "sticky-proxy; error=connection_timeout",
    );
    expect(formatProxyStatus({ proxy: "edge 1", receivedStatus: 502 })).to.equal(
      '"edge 1"; received-status=502',
    );
  });

  it("escapes text so that it can end neither the string nor the line", () => {
    expect(formatProxyStatus({ proxy: "p", details: 'say "no"\\\r\nSet-Cookie: é' })).to.equal(
      String.raw`p; details="say \"no\"\\??Set-Cookie: ?"`,
    );
  });
});
