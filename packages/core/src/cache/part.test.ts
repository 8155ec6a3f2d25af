import { expect } from "chai";
import type { HeaderList, RequestHead } from "../http/message.ts";
import { partOf, rangeWithin } from "./part.ts";

const get = (range: string, more: HeaderList = [], method = "GET"): RequestHead => ({
  method,
  path: "/",
  query: null,
  headers: [["Range", range], ...more],
});
const stored = {
  headers: [
    ["Content-Range", "bytes 10-19/100"],
    ["ETag", '"a"'],
  ] as HeaderList,
  dateAt: 0,
};

describe("a stored part (RFC 9111 3.3, RFC 9110 14.4)", () => {
  const fields: readonly [string, boolean][] = [
    ["bytes 0-9/100", true],
    ["BYTES 0-0/1", true],
    ["bytes 0-9/*", false],
    ["bytes */100", false],
    ["bytes 9-0/100", false],
    ["bytes 0-100/100", false],
    ["lines 0-9/100", false],
    ["bytes 0-9/100, bytes 20-29/100", false],
  ];
  for (const [text, isPart] of fields) {
    it(`${text} is ${isPart ? "one" : "none"}`, () => {
      expect(partOf([["Content-Range", text]]) !== null).to.equal(isPart);
    });
  }

  const ranges: readonly [string, readonly [number, number] | null][] = [
    ["bytes=10-19", [10, 19]],
    ["bytes=12-13", [12, 13]],
    ["bytes=9-13", null],
    ["bytes=12-20", null],
    ["bytes=12-", null],
    ["bytes=-5", null],
    ["bytes=100-", null],
    ["bytes=12-13, 15-16", null],
    ["lines=12-13", null],
  ];
  for (const [range, expected] of ranges) {
    it(`bytes 10-19 of 100 ${expected === null ? "cannot answer" : "answers"} ${range}`, () => {
      const found = rangeWithin(get(range), stored, 0);
      expect(found === null ? null : [found.first, found.last]).to.deep.equal(expected);
    });
  }
  it("a stored suffix satisfies a suffix range", () => {
    const end = { ...stored, headers: [["Content-Range", "bytes 90-99/100"]] as HeaderList };
    expect(rangeWithin(get("bytes=-10"), end, 0)).to.deep.equal({ first: 90, last: 99, length: 100 });
    expect(rangeWithin(get("bytes=95-"), end, 0)).to.deep.equal({ first: 95, last: 99, length: 100 });
  });
  it("a stored part needs a matching If-Range and answers neither other conditions nor HEAD", () => {
    expect(rangeWithin(get("bytes=10-11", [["If-Range", '"a"']]), stored, 0)).to.not.equal(null);
    expect(rangeWithin(get("bytes=10-11", [["If-Range", '"b"']]), stored, 0)).to.equal(null);
    expect(rangeWithin(get("bytes=10-11", [["If-None-Match", '"b"']]), stored, 0)).to.equal(null);
    expect(rangeWithin(get("bytes=10-11", [], "HEAD"), stored, 0)).to.equal(null);
  });
});
