import { expect } from "chai";
import fc from "fast-check";
import { parseJsonObject, parseJsonStrict } from "./json.ts";
import { Problem } from "../problems.ts";

/** Any character; fast-check's own "binary" builds a map of all of Unicode first, which takes half a second. */
const character = fc
  .nat(0x10ffff)
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map(
    (code) => String.fromCodePoint(code),
    (text) => (text as string).codePointAt(0)!,
  );
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function problemOf(read: () => unknown): Problem {
  try {
    read();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("parseJsonStrict", () => {
  it("reads what JSON.parse reads, to the same value", () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ stringUnit: character }),
        fc.constantFrom(0, 1, "\t", "\r\n "),
        (value, space) => {
          const text = JSON.stringify(value, null, space).replaceAll("\r\n ", "\r\n");
          fc.pre(!text.includes('"__proto__"')); // refused, and drawn now and then
          expect(parseJsonStrict(bytes(text))).to.deep.equal(JSON.parse(text));
        },
      ),
    );
  });

  it("refuses what JSON.parse refuses", () => {
    const json = fc.json({ maxDepth: 3 });
    const spoiled = fc
      .tuple(
        json,
        fc.nat(),
        fc.constantFrom("", ",", "}", "]", '"', "\\", "0", ".", "e", "\u0000", "-", ":", "x"),
      )
      .map(([text, at, extra]) => {
        const cut = at % (text.length + 1);
        return text.slice(0, cut) + extra + text.slice(cut + 1);
      });
    fc.assert(
      fc.property(spoiled, (text) => {
        let parses = true;
        try {
          JSON.parse(text);
        } catch {
          parses = false;
        }
        if (!parses) expect(problemOf(() => parseJsonStrict(bytes(text))).slug).to.equal("malformed-json");
      }),
      { numRuns: 500 },
    );
  });

  it("says where the fault is", () => {
    const detail = (text: string): string => problemOf(() => parseJsonStrict(bytes(text))).message;
    expect(detail('{"a":1,}')).to.equal("The body is not valid JSON: unexpected character at position 7.");
    expect(detail("[1")).to.contain("unexpected end at position 2");
    expect(detail("")).to.contain("unexpected end at position 0");
    expect(detail('{"a":1,"a":2}')).to.contain("duplicate member name at position 7");
    expect(detail(String.raw`{"a":1,"\u0061":2}`)).to.contain("duplicate member name at position 7");
    expect(detail('{"x":{"__proto__":{}}}')).to.contain("__proto__ is not allowed at position 6");
    expect(detail(String.raw`"\ud800"`)).to.contain("lone surrogate");
    expect(detail("1e999")).to.contain("beyond the range");
    expect(detail('"a\nb"')).to.contain("control character in a string at position 2");
    expect(detail(String.raw`"\x"`)).to.contain("bad escape");
  });

  it("says at which byte the UTF-8 breaks", () => {
    const broken = Uint8Array.of(0x22, 0xc3, 0xa9, 0xff, 0x22);
    expect(problemOf(() => parseJsonStrict(broken)).message).to.contain("invalid UTF-8 at byte 3");
    expect(problemOf(() => parseJsonStrict(Uint8Array.of(0x22, 0xc3))).message).to.contain("invalid UTF-8");
    expect(problemOf(() => parseJsonStrict(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31))).slug).to.equal(
      "malformed-json",
    );
  });

  it("bounds the nesting: 64 levels pass, 65 and 100,000 do not", () => {
    const nested = (depth: number): Uint8Array => bytes("[".repeat(depth) + "]".repeat(depth));
    expect(parseJsonStrict(nested(64))).to.be.an("array");
    for (const depth of [65, 100_000]) {
      expect(problemOf(() => parseJsonStrict(nested(depth))).message).to.contain("nested deeper than 64");
    }
    expect(problemOf(() => parseJsonStrict(nested(3), { maxDepth: 2 })).slug).to.equal("malformed-json");
  });

  it("leaves constructor and toString as plain members", () => {
    const value = parseJsonStrict(bytes('{"constructor":{"prototype":{"x":1}},"toString":1}'));
    expect(value).to.deep.equal(JSON.parse('{"constructor":{"prototype":{"x":1}},"toString":1}'));
    expect(({} as { x?: unknown }).x).to.equal(undefined);
  });
});

describe("parseJsonObject", () => {
  it("refuses scalars and arrays as malformed requests, broken text as malformed JSON", () => {
    for (const text of ["1", "null", '"a"', "true", "[]"]) {
      expect(problemOf(() => parseJsonObject(bytes(text))).slug, text).to.equal("malformed-request");
    }
    expect(problemOf(() => parseJsonObject(bytes("{"))).slug).to.equal("malformed-json");
    expect(parseJsonObject(bytes('{"a":[]}'))).to.deep.equal({ a: [] });
  });
});
