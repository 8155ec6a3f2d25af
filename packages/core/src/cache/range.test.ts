import { expect } from "chai";
import fc from "fast-check";
import type { HeaderList } from "../http/message.ts";
import { evaluateRange, type RangeAnswer } from "./range.ts";

const modified = "Sun, 06 Nov 1994 08:49:37 GMT";
const dateAt = Date.UTC(1994, 10, 6, 9, 0, 0);
const stored = {
  status: 200,
  headers: [
    ["ETag", '"a"'],
    ["Last-Modified", modified],
  ] as HeaderList,
  dateAt,
};
const answer = (headers: HeaderList, length = 10, of = stored) => evaluateRange(headers, of, length, dateAt);
const part = (first: number, last: number): RangeAnswer => ({ as: "range", first, last });
const full: RangeAnswer = { as: "full" };
const unsatisfiable: RangeAnswer = { as: "unsatisfiable" };

describe("ranges of a stored 200 (RFC 9110 14)", () => {
  const rows: readonly [string, RangeAnswer][] = [
    ["bytes=0-4", part(0, 4)],
    ["bytes=5-", part(5, 9)],
    ["bytes=-3", part(7, 9)],
    ["bytes=-30", part(0, 9)],
    ["bytes=0-99999999999999999999", part(0, 9)],
    ["BYTES=0-0", part(0, 0)],
    ["bytes=9-9", part(9, 9)],
    ["bytes=10-", unsatisfiable],
    ["bytes=-0", unsatisfiable],
    ["bytes=4-3", full],
    ["bytes=0-1,3-4", full],
    ["bytes=", full],
    ["bytes=-", full],
    ["bytes=a-b", full],
    ["bytes 0-4", full],
    ["lines=0-4", full],
  ];
  for (const [range, expected] of rows) {
    it(`${range}: ${JSON.stringify(expected)}`, () =>
      expect(answer([["Range", range]])).to.deep.equal(expected));
  }
  it("two Range lines or another status give the full response", () => {
    expect(
      answer([
        ["Range", "bytes=0-1"],
        ["Range", "bytes=0-1"],
      ]),
    ).to.deep.equal(full);
    expect(answer([["Range", "bytes=0-1"]], 10, { ...stored, status: 404 })).to.deep.equal(full);
  });
  it("no range of an empty body is satisfiable", () => {
    expect(answer([["Range", "bytes=0-"]], 0)).to.deep.equal(unsatisfiable);
    expect(answer([["Range", "bytes=-1"]], 0)).to.deep.equal(unsatisfiable);
  });

  const conditions: readonly [string, boolean][] = [
    ['"a"', true],
    ['W/"a"', false],
    ['"b"', false],
    [modified, true],
    ["Sun, 06 Nov 1994 08:49:38 GMT", false],
    ["junk", false],
  ];
  for (const [condition, holds] of conditions) {
    it(`If-Range: ${condition} ${holds ? "gives the part" : "gives the whole"} (13.1.5)`, () => {
      const given = answer([
        ["Range", "bytes=0-1"],
        ["If-Range", condition],
      ]);
      expect(given).to.deep.equal(holds ? part(0, 1) : full);
    });
  }
  it("a weak stored tag never satisfies If-Range", () => {
    const weak = { ...stored, headers: [["ETag", 'W/"a"']] as HeaderList };
    expect(
      answer(
        [
          ["Range", "bytes=0-1"],
          ["If-Range", 'W/"a"'],
        ],
        10,
        weak,
      ),
    ).to.deep.equal(full);
  });
  it("a date within the second of Date is a weak validator (8.8.2.2)", () => {
    const young = { ...stored, dateAt: Date.UTC(1994, 10, 6, 8, 49, 37) };
    expect(
      answer(
        [
          ["Range", "bytes=0-1"],
          ["If-Range", modified],
        ],
        10,
        young,
      ),
    ).to.deep.equal(full);
  });

  it("every range lies inside the body", () => {
    fc.assert(
      fc.property(fc.nat(50), fc.option(fc.nat(60)), fc.option(fc.nat(60)), (length, from, to) => {
        const given = answer([["Range", `bytes=${from ?? ""}-${to ?? ""}`]], length);
        if (given.as === "range") {
          expect(given.first).to.be.within(0, given.last);
          expect(given.last).to.be.below(length);
        }
      }),
    );
  });
});
