import { formatHttpDate } from "@sticky-proxy/protocol/http";
import { expect } from "chai";
import fc from "fast-check";
import { parseHttpDate } from "./http-date.ts";

const now = Date.UTC(2026, 10, 21);

describe("HTTP dates (RFC 9110 5.6.7)", () => {
  const example = Date.UTC(1994, 10, 6, 8, 49, 37);
  const valid: readonly [string, number][] = [
    ["Sun, 06 Nov 1994 08:49:37 GMT", example],
    ["Sunday, 06-Nov-94 08:49:37 GMT", example],
    ["Sun Nov  6 08:49:37 1994", example],
    ["sun, 06 nOV 1994 08:49:37 gmt", example],
    ["Sunday, 06-Nov-27 08:49:37 GMT", Date.UTC(2027, 10, 6, 8, 49, 37)],
    ["Friday, 06-Nov-76 08:49:37 GMT", Date.UTC(2076, 10, 6, 8, 49, 37)],
    ["Monday, 06-Dec-76 08:49:37 GMT", Date.UTC(1976, 11, 6, 8, 49, 37)],
    ["Thu, 31 Dec 1998 23:59:60 GMT", Date.UTC(1998, 11, 31, 23, 59, 59)],
  ];
  for (const [text, at] of valid) {
    it(`${text} is a date`, () => expect(parseHttpDate(text, now)).to.equal(at));
  }
  const invalid = [
    "0",
    "-1",
    "",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 94 08:49:37 GMT",
    "Sun 06 Nov 1994 08:49:37 GMT",
    "Sun,  06 Nov 1994 08:49:37 GMT",
    "Sun, 06-Nov-1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 8:49:37 GMT",
    "Sun, 06 Nov 1994 08.49.37 GMT",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 06 Nov 1994 08:49:37",
    "06 Nov 1994 08:49:37 GMT",
    "Sun, 31 Apr 1994 08:49:37 GMT",
    "Sun, 06 Foo 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:00:00 GMT",
    "1994-11-06T08:49:37Z",
  ];
  for (const text of invalid) {
    it(`${JSON.stringify(text)} is no date`, () => expect(parseHttpDate(text, now)).to.equal(null));
  }
  it("what is formatted is read back to the second", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799_000 }), (at) => {
        expect(parseHttpDate(formatHttpDate(at), now)).to.equal(at - (at % 1000));
      }),
    );
  });
});
