import { expect } from "chai";
import fc from "fast-check";
import { formatPointer, isPointer, parsePointer, pointerObstacle, pointerValue } from "./pointer.ts";

describe("JSON Pointer (RFC 6901)", () => {
  // Section 5.
  const document = {
    foo: ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
  };
  for (const [text, value] of [
    ["", document],
    ["/foo", ["bar", "baz"]],
    ["/foo/0", "bar"],
    ["/", 0],
    ["/a~1b", 1],
    ["/c%d", 2],
    ["/e^f", 3],
    ["/g|h", 4],
    ["/i\\j", 5],
    ['/k"l', 6],
    ["/ ", 7],
    ["/m~0n", 8],
  ] as const)
    it(`${JSON.stringify(text)} finds its value`, () => {
      expect(pointerValue(document, parsePointer(text))).to.deep.equal(value);
    });

  for (const text of [
    "/foo/2",
    "/foo/01",
    "/foo/-",
    "/foo/-1",
    "/foo/bar",
    "/none",
    "/a~1b/x",
    "/__proto__",
    "/constructor",
    "/foo/length",
  ])
    it(`${text} finds nothing`, () => {
      expect(pointerValue(document, parsePointer(text))).to.equal(undefined);
    });

  for (const text of ["foo", "/~", "/~2", "/a~", "a/b"])
    it(`${text} is no pointer`, () => {
      expect(isPointer(text)).to.equal(false);
    });

  it("~01 is a tilde and a one", () => {
    expect(parsePointer("/~01")).to.deep.equal(["~1"]);
  });

  it("every list of tokens reads as it was written", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (tokens) => {
        const text = formatPointer(tokens);
        expect(isPointer(text)).to.equal(true);
        expect(parsePointer(text)).to.deep.equal(tokens);
      }),
    );
  });

  it("names what stands in the way of a new member, and where objects can be made nothing does", () => {
    expect(pointerObstacle({}, ["a", "b"])).to.equal(null);
    expect(pointerObstacle({ a: {} }, ["a", "b"])).to.equal(null);
    expect(pointerObstacle({ a: 1 }, ["a"])).to.equal(null);
    expect(pointerObstacle({ a: { "b/c": [] } }, ["a", "b/c", "d"])).to.equal("/a/b~1c");
    expect(pointerObstacle({ a: null }, ["a", "b"])).to.equal("/a");
    expect(pointerObstacle("text", ["a"])).to.equal("");
  });
});
