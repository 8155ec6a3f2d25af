import { expect } from "chai";
import fc from "fast-check";
import { canonicalJson, maxCanonicalDepth, maxCanonicalMarks } from "./canonical-json.ts";

/** Any character; fast-check's own "binary" builds a map of all of Unicode first, which takes half a second. */
const character = fc
  .nat(0x10ffff)
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map(
    (code) => String.fromCodePoint(code),
    (text) => (text as string).codePointAt(0)!,
  );
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const canonical = (text: string): string | null => canonicalJson(bytes(text));

/** Any JSON value, written with its members in random order and random white space. */
const scrambled = (value: unknown, next: () => number): string => {
  const blank = [" ", "", "\n", "\t", "\r\n "][next() % 5]!;
  if (Array.isArray(value))
    return `[${blank}${value.map((item) => scrambled(item, next)).join(`,${blank}`)}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value).map(
      ([name, member]) => `${JSON.stringify(name)}${blank}:${scrambled(member, next)}`,
    );
    for (let i = members.length - 1; i > 0; i--) {
      const j = next() % (i + 1);
      [members[i], members[j]] = [members[j]!, members[i]!];
    }
    return `${blank}{${members.join(`${blank},`)}${blank}}`;
  }
  return JSON.stringify(value) + blank;
};

describe("canonicalJson", () => {
  it("reads a zero of any length as zero, and nesting up to 128 deep", () => {
    for (const zero of ["0.0000000000000000", "-0.00000000000000000e5", "0e99", "0.0e-99"])
      expect(canonical(`[${zero}]`), zero).to.equal("[0]");
    const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
    expect(canonical(nested(128))).to.equal(nested(128));
    expect(canonical(nested(129))).to.equal(null);
  });

  it("orders members by UTF-16 code units, as the sorting example of RFC 8785 3.2.3 does", () => {
    const names = ["\u20ac", "\r", "\ufb33", "1", "\u{1f600}", "\u0080", "\u00f6"];
    const text = `{${names.map((name) => `${JSON.stringify(name)}:0`).join(",")}}`;
    const order = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\u{1f600}", "\ufb33"];
    expect(canonical(text)).to.equal(`{${order.map((name) => `${JSON.stringify(name)}:0`).join(",")}}`);
  });

  it("writes strings with the least escaping (RFC 8785 3.2.2.2)", () => {
    expect(canonical(String.raw`["\u20ac\u0024\u000F\u000aA'\u0042\u0022\u005c\\\"\/"]`)).to.equal(
      String.raw`["€$\u000f\nA'B\"\\\\\"/"]`,
    );
  });

  it("writes numbers as ECMAScript does (RFC 8785 3.2.2.3)", () => {
    expect(canonical("[1E30, 4.50, 2e-3, 0.000000000000000000000000001, -0, 1e21, 100, 1.0]")).to.equal(
      "[1e+30,4.5,0.002,1e-27,0,1e+21,100,1]",
    );
    expect(canonical("[0.30000000000000004, 9007199254740991, 1.7976931348623157e308, 5e-324]")).to.equal(
      "[0.30000000000000004,9007199254740991,1.7976931348623157e+308,5e-324]",
    );
  });

  it("refuses a number that a double would change, so that two payloads never become one", () => {
    for (const literal of [
      "9007199254740993",
      "12345678901234567891",
      "333333333.33333329",
      "0.1000000000000000000001",
      "1e400",
      "-1e400",
      "1e-400",
    ]) {
      expect(canonical(`{"amount":${literal}}`), literal).to.equal(null);
    }
    expect(canonical('{"id":"9007199254740993"}')).to.equal('{"id":"9007199254740993"}');
  });

  it("refuses duplicate names, also when one is spelled with an escape or stands inside a lost value", () => {
    expect(canonical('{"a":1,"a":1}')).to.equal(null);
    expect(canonical(String.raw`{"a":1,"\u0061":2}`)).to.equal(null);
    expect(canonical('[{"b":{"a":1,"c":2}},{"x":{"y":1},"x":{}}]')).to.equal(null);
    expect(canonical('{"__proto__":1,"__proto__":2}')).to.equal(null);
  });

  it("keeps __proto__ and constructor as plain members", () => {
    expect(canonical('{"constructor":{"prototype":1},"__proto__":{"x":1}}')).to.equal(
      '{"__proto__":{"x":1},"constructor":{"prototype":1}}',
    );
    expect(({} as { x?: unknown }).x).to.equal(undefined);
  });

  it("is not misled by colons, braces and quotes inside strings", () => {
    expect(canonical(String.raw`{"a:b":"c\":{[","d\\":"::"}`)).to.equal(
      String.raw`{"a:b":"c\":{[","d\\":"::"}`,
    );
  });

  it("refuses invalid UTF-8, a byte order mark and lone surrogates", () => {
    expect(canonicalJson(Uint8Array.of(0x22, 0xff, 0x22))).to.equal(null);
    expect(canonicalJson(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22))).to.equal(null);
    expect(canonicalJson(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31))).to.equal(null);
    expect(canonical(String.raw`"\ud800"`)).to.equal(null);
    expect(canonical(String.raw`{"\udc00":1}`)).to.equal(null);
    expect(canonical(String.raw`"\ud83d\ude00"`)).to.equal('"😀"');
  });

  it("refuses what is not JSON", () => {
    for (const text of [
      "",
      " ",
      "{",
      "[1,]",
      "01",
      "+1",
      "'a'",
      '"a',
      "{a:1}",
      "1 2",
      "NaN",
      "1.2.3",
      "1-2-3-4-5-6-7-8-9",
    ]) {
      expect(canonical(text), text).to.equal(null);
    }
  });

  it("bounds the nesting: a depth of 100,000 is refused, not walked", () => {
    const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
    expect(canonical(nested(maxCanonicalDepth))).to.equal(nested(maxCanonicalDepth));
    expect(canonical(nested(maxCanonicalDepth + 1))).to.equal(null);
    expect(canonical(nested(100_000))).to.equal(null);
    const wide = `[${Array(maxCanonicalDepth * 2)
      .fill("[{}]")
      .join(",")}]`;
    expect(canonical(wide)).to.equal(wide);
    expect(canonical('{"a":'.repeat(100_000))).to.equal(null);
  });

  it("bounds the number of values, whatever they are: what takes too long to order is compared as it is", () => {
    const members = (count: number): string =>
      `{${Array.from({ length: count }, (_, i) => `"${i}":0`).join(",")}}`;
    expect(canonical(members(maxCanonicalMarks / 2))).to.be.a("string");
    expect(canonical(members(maxCanonicalMarks / 2 + 1))).to.equal(null);
    for (const unit of ["0", "{}", "[]", '"a"']) {
      expect(
        canonical(
          `[${Array(maxCanonicalMarks / 2)
            .fill(unit)
            .join(",")}]`,
        ),
        unit,
      ).to.be.a("string");
      expect(
        canonical(
          `[${Array(maxCanonicalMarks + 1)
            .fill(unit)
            .join(",")}]`,
        ),
        unit,
      ).to.equal(null);
    }
    expect(canonical(JSON.stringify(",:[{".repeat(maxCanonicalMarks)))).to.be.a("string");
  });

  it("gives one text for one value, whatever the order and the white space, and that text means the value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.infiniteStream(fc.nat()), (value, numbers) => {
        const next = (): number => numbers.next().value as number;
        const first = canonical(scrambled(value, next));
        const second = canonical(scrambled(value, next));
        expect(first).to.equal(second);
        if (first !== null) {
          // JSON has one zero.
          expect(JSON.parse(first)).to.deep.equal(JSON.parse(JSON.stringify(value)));
          expect(canonical(first)).to.equal(first);
        }
      }),
    );
  });

  it("never refuses what JSON.stringify writes of well-formed values", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: character }), (value) => {
        expect(canonical(JSON.stringify(value))).to.be.a("string");
      }),
    );
  });

  it("never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
        const text = canonicalJson(body);
        expect(text === null || typeof text === "string").to.equal(true);
      }),
    );
  });
});
