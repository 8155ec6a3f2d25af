import { expect } from "chai";
import fc from "fast-check";
import { parseDictionary, parseStringList } from "./structured.ts";

describe("structured fields (RFC 9651)", () => {
  it("a dictionary of every type of item", () => {
    const text = 'a=1, b=-2.5;p;q="x", c="s\\"", d=tok/en, e=:aGk=:, f=?0, g, h=(1 2);x, i=("a")';
    expect([...parseDictionary(text)!.entries()]).to.deep.equal([
      ["a", { type: "integer", value: 1 }],
      ["b", { type: "decimal", value: -2.5 }],
      ["c", { type: "string", value: 's"' }],
      ["d", { type: "other" }],
      ["e", { type: "other" }],
      ["f", { type: "boolean", value: false }],
      ["g", { type: "boolean", value: true }],
      ["h", null],
      ["i", null],
    ]);
  });
  for (const text of [
    "a=",
    "a,",
    "A=1",
    "a=1 b=2",
    'a="x',
    "a=1.",
    "a=1.2345",
    "a=1234567890123456",
    "a=(1",
    "a=é",
  ]) {
    it(`the dictionary ${text} is invalid`, () => {
      expect(parseDictionary(text)).to.equal(null);
    });
  }
  for (const [text, type] of [
    ["a=60", "integer"],
    ["a=60.0", "decimal"],
    ["a=60, s;a=6.0", "integer"],
    ["a=60.0, a=60", "integer"],
    ["a=60, a=60.0", "decimal"],
    ['b="a=6.0", a=60', "integer"],
  ] as const)
    it(`the number of a in ${text} is ${type === "integer" ? "an Integer" : "a Decimal"}`, () => {
      expect(parseDictionary(text)?.get("a")?.type).to.equal(type);
    });
  it("empty text is an empty dictionary", () => {
    expect(parseDictionary("  ")!.size).to.equal(0);
  });
  it("a list of strings with parameters", () => {
    expect(parseStringList('"a", "b,c";x=1')).to.deep.equal(["a", "b,c"]);
  });
  it("a list with another type is no list of strings", () => {
    expect(parseStringList('"a", b')).to.equal(null);
  });
  it("no text makes the reader fail or hang", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseDictionary(text);
        parseStringList(text);
      }),
    );
  });
});
