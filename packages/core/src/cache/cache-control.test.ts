import { expect } from "chai";
import fc from "fast-check";
import {
  deltaSeconds,
  maxDeltaSeconds,
  parseCacheControl,
  qualifiedFields,
  requestDirectives,
  responseDirectives,
} from "./cache-control.ts";

describe("Cache-Control (RFC 9111 5.2)", () => {
  const maxAge: readonly [string, string[], number | null][] = [
    ["digits", ["max-age=60"], 60],
    ["any case of the name", ["MaX-AgE=60"], 60],
    ["a quoted argument is the same (5.2)", ['max-age="60"'], 60],
    ["leading zeros", ["max-age=0060"], 60],
    ["the first of two wins (4.2.1)", ["max-age=60, max-age=5"], 60],
    ["the first of two lines wins", ["max-age=5", "max-age=60"], 5],
    ["among others and empty members", [" , no-transform,, max-age=60 ,public"], 60],
    ["negative is 0", ["max-age=-1"], 0],
    ["a fraction is 0", ["max-age=1.5"], 0],
    ["a word is 0", ["max-age=x"], 0],
    ["single quotes are 0", ["max-age='60'"], 0],
    ["no argument is 0", ["max-age"], 0],
    ["an empty argument is 0", ["max-age="], 0],
    ["space before the equals sign is invalid", ["max-age =60"], 0],
    ["space behind the equals sign is invalid", ["max-age= 60"], 0],
    ["trailing junk is 0", ["max-age=60s"], 0],
    ["past 2^31 it is clamped (1.2.2)", ["max-age=99999999999999999999"], maxDeltaSeconds],
    ["inside a quoted string of another directive it is not seen", ['x="max-age=60, y"'], null],
    ["a name that only ends like it is another", ["x-max-age=60"], null],
  ];
  for (const [what, lines, seconds] of maxAge) {
    it(`max-age: ${what}`, () => {
      expect(deltaSeconds(parseCacheControl(lines), "max-age")).to.equal(seconds);
    });
  }

  const malformed: readonly [string, string[]][] = [
    ["private; max-age=60", ["private", "max-age"]],
    ["max-age=60; private", ["max-age", "private"]],
    ["max-age=60 no-store", ["max-age", "no-store"]],
    ["no-cache; no-store", ["no-cache", "no-store"]],
    ['max-age=60, "no-store', ["max-age", "no-store"]],
    ["private;foo", ["private"]],
    ["public; must-understand", []],
    ['x="a; no-store"', ["x"]],
  ];
  for (const [line, names] of malformed) {
    it(`what is no directive still restricts, and allows nothing: ${line}`, () => {
      expect([...parseCacheControl([line]).keys()]).to.deep.equal(names);
    });
  }

  it("an invalid delta-seconds value is 0", () => {
    expect(deltaSeconds(parseCacheControl(["max-age=60; private"]), "max-age")).to.equal(0);
  });

  it("an unterminated quoted string does not hide later directives", () => {
    expect(parseCacheControl(['x="a, no-store']).has("no-store")).to.equal(true);
  });

  const fields: readonly [string, "all" | string[] | null][] = [
    ["no-cache", "all"],
    ['no-cache=""', "all"],
    ['no-cache=" , "', "all"],
    ['no-cache="Set-Cookie, X-A"', ["set-cookie", "x-a"]],
    ["no-cache=Set-Cookie", ["set-cookie"]],
    ['no-cache="a", no-cache', "all"],
    ['no-cache, no-cache="a"', "all"],
    ['no-cache="a", no-cache=""', "all"],
    ['no-cache="a", no-cache="b"', ["a", "b"]],
    ["no-cache='a'", "all"],
    ["public", null],
  ];
  for (const [line, expected] of fields) {
    it(`fields named by ${line}: ${JSON.stringify(expected)} (5.2.2.4)`, () => {
      expect(qualifiedFields(parseCacheControl([line]), "no-cache")).to.deep.equal(expected);
    });
  }

  it("parsing never fails and never makes a negative or huge span", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (lines) => {
        const seconds = deltaSeconds(parseCacheControl(["max-age=" + lines[0], ...lines]), "max-age") ?? 0;
        expect(seconds).to.be.within(0, maxDeltaSeconds);
      }),
    );
  });

  it("spelling and unknown directives do not change what is understood", () => {
    const noise = fc.stringMatching(/^[a-z]{3,9}x$/);
    fc.assert(
      fc.property(fc.nat(10 ** 9), fc.array(noise), fc.boolean(), (seconds, unknown, upper) => {
        const name = upper ? "MAX-AGE" : "max-age";
        const parsed = parseCacheControl([[...unknown, `${name}="${seconds}"`].join(" , ")]);
        expect(deltaSeconds(parsed, "max-age")).to.equal(seconds);
      }),
    );
  });
});

describe("Pragma (RFC 9111 5.4)", () => {
  it("Pragma: no-cache applies where Cache-Control is absent", () => {
    expect(requestDirectives([["Pragma", "x, No-Cache"]]).has("no-cache")).to.equal(true);
  });
  it("Pragma is ignored beside Cache-Control", () => {
    const headers = [
      ["Pragma", "no-cache"],
      ["Cache-Control", "max-age=60"],
    ] as const;
    expect(requestDirectives(headers).has("no-cache")).to.equal(false);
  });
});

describe("CDN-Cache-Control (RFC 9213)", () => {
  const both = (value: string) =>
    responseDirectives([
      ["Cache-Control", "max-age=1, no-store"],
      ["CDN-Cache-Control", value],
    ]);

  it("CDN-Cache-Control replaces Cache-Control completely", () => {
    const { directives, targeted } = both("max-age=600");
    expect(targeted).to.equal(true);
    expect(deltaSeconds(directives, "max-age")).to.equal(600);
    expect(directives.has("no-store")).to.equal(false);
  });
  const ignored = ["", "max-age=", "max-age=60,", "Max-Age=60", "max-age = 60", "max-age=60 no-store", "{}"];
  for (const value of ignored) {
    it(`is ignored whole when it is ${JSON.stringify(value)}`, () => {
      const { directives, targeted } = both(value);
      expect(targeted).to.equal(false);
      expect(directives.has("no-store")).to.equal(true);
    });
  }
  it("parameters are ignored, the last of two members wins, false is absence", () => {
    const { directives } = both("max-age=5;x=1, max-age=7, no-store=?0, private;y");
    expect(deltaSeconds(directives, "max-age")).to.equal(7);
    expect(directives.has("no-store")).to.equal(false);
    expect(directives.has("private")).to.equal(true);
  });
  for (const value of ['max-age="60"', "max-age=6.0", "max-age=a", "max-age"]) {
    it(`a lifetime that is no integer is not consumed: ${value}`, () => {
      const seconds = deltaSeconds(both(value).directives, "max-age");
      expect(seconds === null || seconds === 0).to.equal(true);
    });
  }
  it("a string may name fields, as in Cache-Control; what no cache names so is bare", () => {
    const fieldsOf = (value: string) => qualifiedFields(both(value).directives, "no-cache");
    expect(fieldsOf('max-age=5, no-cache="A, b"')).to.deep.equal(["a", "b"]);
    expect(fieldsOf('no-cache=""')).to.equal("all");
    expect(fieldsOf("no-cache=(a b)")).to.equal("all");
  });
  it("a negative lifetime is 0", () => {
    expect(deltaSeconds(both("max-age=-5").directives, "max-age")).to.equal(0);
  });
  it("several lines are one dictionary", () => {
    const { directives } = responseDirectives([
      ["CDN-Cache-Control", "public"],
      ["cdn-cache-control", "max-age=9"],
    ]);
    expect([...directives.keys()]).to.deep.equal(["public", "max-age"]);
  });
});
