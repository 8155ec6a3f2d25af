import { expect } from "chai";
import fc from "fast-check";
import type { HeaderList } from "../http/message.ts";
import { cookieValue, selectingNames, selectingValue, variantOf, varyNames } from "./variant.ts";

describe("Vary (RFC 9111 4.1)", () => {
  const lists: readonly [string[], string[] | null][] = [
    [[], []],
    [["Accept"], ["accept"]],
    [["B, a"], ["a", "b"]],
    [
      ["a", "b,a"],
      ["a", "b"],
    ],
    [[" , a,, "], ["a"]],
    [["*"], null],
    [["a, *"], null],
    [["X-Forwarded-For"], null],
    [["a", " * "], null],
    [["Accept-Encoding; Cookie"], null],
    [["a b"], null],
    [['"a"'], null],
  ];
  for (const [lines, names] of lists) {
    it(`${JSON.stringify(lines)} selects by ${JSON.stringify(names)}`, () => {
      expect(varyNames(lines.map((line) => ["Vary", line]))).to.deep.equal(names);
    });
  }

  const same: readonly [string, HeaderList, HeaderList][] = [
    [
      "lines and lists",
      [
        ["foo", "1"],
        ["foo", "2"],
      ],
      [["Foo", "1, 2"]],
    ],
    ["white space", [["foo", "1,2"]], [["foo", " 1 ,  2 "]]],
    ["empty members", [["foo", "1,,2,"]], [["foo", "1, 2"]]],
    [
      "other fields",
      [
        ["foo", "1"],
        ["bar", "x"],
      ],
      [["foo", "1"]],
    ],
  ];
  for (const [what, a, b] of same) {
    it(`${what} do not make another variant`, () => {
      expect(variantOf(a, ["foo"])).to.equal(variantOf(b, ["foo"]));
    });
  }
  const different: readonly [string, HeaderList, HeaderList][] = [
    ["another value", [["foo", "1"]], [["foo", "2"]]],
    ["absence", [["foo", "1"]], []],
    ["absence against emptiness", [["foo", ""]], []],
    ["another order", [["foo", "1, 2"]], [["foo", "2, 1"]]],
    ["another case", [["foo", "a"]], [["foo", "A"]]],
  ];
  for (const [what, a, b] of different) {
    it(`${what} does`, () => expect(variantOf(a, ["foo"])).to.not.equal(variantOf(b, ["foo"])));
  }

  it("codings and languages are normalised in case, order and weight", () => {
    const value = (name: string, text: string) => selectingValue([[name, text]], name);
    expect(value("accept-encoding", "GZIP , br;q=0.50")).to.equal(
      value("accept-encoding", "br;q=0.5,gzip;q=1.0"),
    );
    expect(value("accept-language", "en, de;q=0.5")).to.equal(value("accept-language", "de;q=0.500,EN"));
    expect(value("accept-encoding", "gzip")).to.not.equal(value("accept-encoding", "gzip;q=0"));
  });

  it("white space around media range parameters is insignificant, but order and quoted text are significant", () => {
    const value = (text: string) => selectingValue([["Accept", text]], "accept");
    expect(value("text/html ; q=0.5, */*")).to.equal(value("text/html;q=0.5,*/*"));
    expect(value('a/b;c="x ; y"')).to.not.equal(value('a/b;c="x;y"'));
    expect(value("a/b, c/d")).to.not.equal(value("c/d, a/b"));
  });

  it("the route's key fields select variants in addition to Vary", () => {
    const names = selectingNames([["Vary", "B"]], { keyHeaders: ["a"], keyCookies: ["plan"] });
    expect(names).to.deep.equal(["a", "b", "cookie.plan"]);
    const free = variantOf([["Cookie", "x=1; plan=free"]], ["cookie.plan"]);
    expect(free).to.not.equal(variantOf([["Cookie", "plan=pro"]], ["cookie.plan"]));
    expect(free).to.equal(variantOf([["Cookie", "plan=free; y=2"]], ["cookie.plan"]));
  });
  it("cookie names are compared case-sensitively", () => {
    expect(cookieValue([["Cookie", "xplan=1; Plan=2"]], "plan")).to.equal(null);
  });

  it("no field value can imitate the boundary to another field", () => {
    const value = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(value, value, value, value, (a1, b1, a2, b2) => {
        const one: HeaderList = [
          ["a", a1],
          ["b", b1],
        ];
        const two: HeaderList = [
          ["a", a2],
          ["b", b2],
        ];
        const equal =
          selectingValue(one, "a") === selectingValue(two, "a") &&
          selectingValue(one, "b") === selectingValue(two, "b");
        expect(variantOf(one, ["a", "b"]) === variantOf(two, ["a", "b"])).to.equal(equal);
      }),
    );
  });
});
