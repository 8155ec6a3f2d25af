import { expect } from "chai";
import fc from "fast-check";
import { splitList, unquote } from "./list.ts";

describe("comma-separated lists (RFC 9110 5.6.1)", () => {
  const examples: readonly [string, string[]][] = [
    ["", []],
    ["a", ["a"]],
    [" a ,\tb", ["a", "b"]],
    [",a,,b,", ["a", "b"]],
    ['a="x, y", b', ['a="x, y"', "b"]],
    ['a="x\\", y", b', ['a="x\\", y"', "b"]],
    ['a="x, no-store', ['a="x', "no-store"]],
  ];
  for (const [text, members] of examples) {
    it(`${JSON.stringify(text)} has ${members.length} members`, () => {
      expect(splitList(text)).to.deep.equal(members);
    });
  }

  it("joining tokens with commas and any white space and splitting gives them back", () => {
    const token = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    fc.assert(
      fc.property(fc.array(token), fc.constantFrom(",", ", ", " ,\t", ",,"), (tokens, comma) => {
        expect(splitList(tokens.join(comma))).to.deep.equal(tokens);
      }),
    );
  });

  it("escapes inside a quoted string are undone, other text stays", () => {
    expect(unquote('"a\\"b"')).to.equal('a"b');
    expect(unquote("a")).to.equal("a");
    expect(unquote('"a')).to.equal('"a');
  });
});
