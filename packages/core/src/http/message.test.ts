import { expect } from "chai";
import {
  givesKey,
  headerJoined,
  headerLines,
  headerList,
  headerValue,
  keyLine,
  rawHeaders,
  withoutHeaders,
  type HeaderList,
} from "./message.ts";

const list: HeaderList = [
  ["Accept", "a"],
  ["X-Other", "1"],
  ["ACCEPT", "b"],
  ["__proto__", "p"],
];

describe("a header list", () => {
  it("keeps each line, its order and its spelling from Node's flat array and back", () => {
    const raw = ["Accept", "a", "X-Other", "1", "ACCEPT", "b", "__proto__", "p"];
    expect(headerList(raw)).to.deep.equal(list);
    expect(rawHeaders(list)).to.deep.equal(raw);
    expect(headerList([])).to.deep.equal([]);
    expect(headerList(["a", "1", "half"])).to.deep.equal([["a", "1"]]);
  });

  it("finds the first line, all lines and their list, in any case of letters", () => {
    expect(headerValue(list, "accept")).to.equal("a");
    expect(headerLines(list, "accept")).to.deep.equal(["a", "b"]);
    expect(headerJoined(list, "accept")).to.equal("a, b");
    expect(headerValue(list, "__proto__")).to.equal("p");
  });

  it("has null or nothing for a field that is absent, and for one whose name only begins alike", () => {
    for (const name of ["accep", "accept-", "other", "toString"]) {
      expect(headerValue(list, name)).to.equal(null);
      expect(headerLines(list, name)).to.deep.equal([]);
      expect(headerJoined(list, name)).to.equal(null);
    }
  });

  it("tells an empty field from an absent one", () => {
    expect(headerValue([["A", ""]], "a")).to.equal("");
    expect(headerJoined([["A", ""]], "a")).to.equal("");
  });

  it("goes on without the lines of some names", () => {
    expect(withoutHeaders(list, new Set(["accept", "__proto__"]))).to.deep.equal([["X-Other", "1"]]);
  });
});

describe("the key field of a request", () => {
  it("is known by both of its names and by nothing like them", () => {
    for (const name of ["Idempotency-Key", "x-idempotency-key", "IDEMPOTENCY-KEY"]) {
      expect(
        givesKey([
          ["A", "1"],
          [name, "k"],
        ]),
        name,
      ).to.equal(true);
    }
    for (const name of ["Idempotency-Keys", "y-idempotency-key", "xx-idempotency-key", "idempotency"]) {
      expect(givesKey([[name, "k"]]), name).to.equal(false);
    }
    expect(givesKey([])).to.equal(false);
  });

  const own: HeaderList = [["Idempotency-Key", '"k"']];
  const alias: HeaderList = [["X-Idempotency-Key", "k"]];
  // [fields, key, written, the line that is added]
  const table: readonly [string, HeaderList, string | null, string | null, string | null][] = [
    ["goes on as the client wrote it", own, "k", "w", null],
    ["goes on as the client wrote it beside the alias", [...own, ...alias], "k", "w", null],
    ["is written in the alias's form where only that came", alias, "k", "w", "k"],
    ["is not written from an alias that decides nothing", alias, null, "w", null],
    ["is written where the client gave none", [], null, "w", "w"],
    ["is left out where there is nothing to write", [], "k", null, null],
  ];
  for (const [what, headers, key, written, value] of table) {
    it(`for a service ${what}`, () => {
      expect(keyLine(headers, key, written)).to.deep.equal(
        value === null ? null : ["Idempotency-Key", value],
      );
    });
  }
});
