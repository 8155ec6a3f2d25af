import { isDeepStrictEqual } from "node:util";
import { expect } from "chai";
import fc from "fast-check";
import {
  type JsonValue,
  decimalKey,
  JsonArray,
  JsonNumber,
  JsonObject,
  parseJson,
  valueHash,
} from "./json-walk.ts";

function parse(text: string): ReturnType<typeof parseJson> {
  return parseJson(Buffer.from(text));
}

/** Back to plain values, for comparing with JSON.parse. */
function plain(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return Number(value.text);
  if (value instanceof JsonArray) return value.items.map(plain);
  if (value instanceof JsonObject) {
    return Object.fromEntries([...value.members].map(([name, member]) => [name, plain(member)]));
  }
  return value;
}

describe("parseJson", () => {
  it("reads every JSON value as JSON.parse does", () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 1, 3), (json, indent) => {
        const text = JSON.stringify(JSON.parse(json), null, indent);
        const parsed = parse(text);
        expect(parsed.ok).to.equal(true);
        if (parsed.ok) expect(isDeepStrictEqual(plain(parsed.value), JSON.parse(text))).to.equal(true);
      }),
    );
  });

  it("accepts a text exactly when JSON.parse does, apart from repeated names", () => {
    const scraps = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"',
      "a",
      '"a"',
      "1",
      "-",
      ".",
      "e",
      "01",
      "true",
      "nul",
      " ",
      "\n",
      "\\",
      "\\u12",
      "\u0001",
      "é",
    );
    fc.assert(
      fc.property(fc.array(scraps, { maxLength: 12 }), (parts) => {
        const text = parts.join("");
        let accepted = true;
        try {
          JSON.parse(text);
        } catch {
          accepted = false;
        }
        const parsed = parse(text);
        if (!parsed.ok && parsed.reason === "duplicate-name") return;
        expect(parsed.ok, text).to.equal(accepted);
      }),
      { numRuns: 700 },
    );
  });

  it("keeps a member called __proto__ as a member", () => {
    const parsed = parse('{"__proto__":{"x":1}}');
    expect(parsed.ok && parsed.value instanceof JsonObject && parsed.value.members.has("__proto__")).to.equal(
      true,
    );
    expect(({} as { x?: number }).x).to.equal(undefined);
  });

  it("refuses a repeated name, invalid UTF-8, a byte order mark and an empty text", () => {
    expect(parse('{"a":1,"a":1}')).to.include({ ok: false, reason: "duplicate-name" });
    expect(parseJson(Uint8Array.of(0x22, 0xff, 0x22))).to.include({ ok: false, reason: "utf-8" });
    expect(parseJson(Buffer.from("\ufeff1"))).to.include({ ok: false, reason: "syntax" });
    expect(parse("")).to.include({ ok: false, reason: "syntax" });
  });

  it("refuses what is deeper or larger than its bounds without recursing", () => {
    expect(parse("[".repeat(1_000_000))).to.include({ ok: false, reason: "too-large" });
    expect(parse('{"a":'.repeat(200_000))).to.include({ ok: false, reason: "too-large" });
    expect(parse(`[${"1,".repeat(300_000)}1]`)).to.include({ ok: false, reason: "too-large" });
    const deepest = parse("[".repeat(500) + "]".repeat(500));
    expect(deepest.ok).to.equal(true);
  });
});

describe("decimalKey", () => {
  it("is equal for equal decimal values, however they are written", () => {
    for (const [a, b] of [
      ["1", "1.0"],
      ["100", "1e2"],
      ["-0", "0"],
      ["0.10", "1E-1"],
      ["120e-1", "12"],
      ["0e99", "0"],
    ]) {
      expect(decimalKey(a!), `${a} ${b}`).to.equal(decimalKey(b!));
    }
  });

  it("tells integers above 2^53 apart that a double cannot", () => {
    expect(Number("9007199254740993")).to.equal(Number("9007199254740992"));
    expect(decimalKey("9007199254740993")).not.to.equal(decimalKey("9007199254740992"));
  });

  it("agrees with BigInt on scaled integers", () => {
    const decimal = fc.tuple(
      fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
      fc.integer({ min: 0, max: 6 }),
    );
    fc.assert(
      fc.property(decimal, decimal, ([a, x], [b, y]) => {
        const isSame = a * 10n ** BigInt(x) === b * 10n ** BigInt(y);
        expect(decimalKey(`${a}e${x}`) === decimalKey(`${b}e${y}`)).to.equal(isSame);
      }),
    );
  });

  it("is not slow on an absurd exponent", () => {
    expect(decimalKey(`1e${"9".repeat(1000)}`)).to.contain("@");
  });
});

describe("valueHash", () => {
  it("does not depend on the order of members", () => {
    const [a, b] = [parse('{"a":1,"b":[2,{"c":3,"d":4}]}'), parse('{"b":[2,{"d":4,"c":3}],"a":1.0}')];
    expect(a.ok && b.ok && valueHash(a.value) === valueHash(b.value)).to.equal(true);
  });
});
