import { expect } from "chai";
import fc from "fast-check";
import { readFormText, readJsonText, scalarOf } from "./json-text.ts";
import { formatPointer, parsePointer, pointerValue } from "./pointer.ts";

const read = (text: string) => readJsonText(new TextEncoder().encode(text))!;

describe("JSON text by pointer", () => {
  const text =
    '{"id": 9007199254740993, "amount":1.10 ,"exp": 1e2, "deep": {"list": [ 1 , {"a/b": -0.0}, "x" ]}, "n":null}';

  for (const [pointer, source] of [
    ["/id", "9007199254740993"],
    ["/amount", "1.10"],
    ["/exp", "1e2"],
    ["/deep/list", '[ 1 , {"a/b": -0.0}, "x" ]'],
    ["/deep/list/0", "1"],
    ["/deep/list/1/a~1b", "-0.0"],
    ["/deep/list/2", '"x"'],
    ["/n", "null"],
    ["", text],
    ["/deep/list/3", undefined],
    ["/deep/list/00", undefined],
    ["/missing", undefined],
    ["/id/x", undefined],
  ] as const)
    it(`${pointer === "" ? "the whole" : pointer} is ${source === undefined ? "not there" : "the text as it was written"}`, () => {
      expect(read(text).at(parsePointer(pointer))).to.equal(source);
    });

  for (const [what, odd] of [
    ["a byte order mark", '\ufeff{"a":1}'],
    ["a lone surrogate elsewhere", '{"a":1,"b":"\\ud800"}'],
    ["a duplicate name elsewhere", '{"b":1,"a":1,"b":2}'],
    ["__proto__", '{"__proto__":{"x":1},"a":1}'],
    ["blanks around", ' \n{"a" : 1}\t'],
    ["braces in strings", '{"s":"}]\\"{","a":1}'],
  ] as const)
    it(`${what} makes nothing else unreadable`, () => {
      expect(read(odd).at(["a"])).to.equal("1");
    });

  it("a name that stands twice has no value of its own", () => {
    expect(read('{"a":1,"a":2}').at(["a"])).to.equal(undefined);
    expect(read('{"a":{"b":1},"a":{"b":2}}').at(["a", "b"])).to.equal(undefined);
  });

  it("an array may stand at the top, and a name may be written with escapes", () => {
    expect(read('[{"a":1}]').at(["0", "a"])).to.equal("1");
    expect(read('{"\\u0061":1}').at(["a"])).to.equal("1");
  });

  it("bytes that are not UTF-8 are latin1", () => {
    const latin1 = readJsonText(Buffer.from('{"a":"é"}', "latin1"));
    expect(latin1?.at(["a"])).to.equal('"é"');
  });

  for (const text of ["", "{", '{"a":}', "nonsense", "[".repeat(200_000)])
    it(`${JSON.stringify(text.slice(0, 10))} is no JSON`, () => {
      expect(readJsonText(Buffer.from(text))).to.equal(null);
    });

  it("finds what a parser finds, for every document and every way into it", () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.array(fc.oneof(fc.string(), fc.nat(3).map(String)), { maxLength: 3 }),
        (json, pointer) => {
          const source = read(json).at(pointer);
          const value = pointerValue(JSON.parse(json), pointer);
          // A parser takes the last of two equal names; here such a name has no value.
          if (source !== undefined) expect(JSON.parse(source), formatPointer(pointer)).to.deep.equal(value);
        },
      ),
    );
  });

  it("a scalar's text is its value; an object or array is none", () => {
    expect(["1.5", '"a"', "true", "null", "{}", "[]", undefined].map(scalarOf)).to.deep.equal([
      1.5,
      "a",
      true,
      null,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("form fields are read like members", () => {
    const form = readFormText(Buffer.from("state=done&id=9007199254740993&text=a%20b"));
    expect(scalarOf(form.at(["state"]))).to.equal("done");
    expect(scalarOf(form.at(["id"]))).to.equal("9007199254740993");
    expect(scalarOf(form.at(["text"]))).to.equal("a b");
  });
});
