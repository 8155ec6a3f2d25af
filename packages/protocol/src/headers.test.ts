import { expect } from "chai";
import fc from "fast-check";
import {
  fields,
  formatIdempotencyKey,
  lowerFields,
  readDeadline,
  readForce,
  readIdempotencyKey,
  readOnDuplicate,
  readResultStatus,
} from "./headers.ts";
import { Problem } from "./problems.ts";

/** The slug that the reader throws, or what it returned. */
function slugOf(read: () => unknown): unknown {
  try {
    return { returned: read() };
  } catch (error) {
    if (error instanceof Problem) return error.slug;
    throw error;
  }
}

describe("readIdempotencyKey", () => {
  const read = (...lines: string[]): string | null => readIdempotencyKey(lines, []);

  it("is null when neither field is present", () => {
    expect(readIdempotencyKey([], [])).to.equal(null);
  });

  it("makes the quoted and the bare form one key", () => {
    expect(read('"order-1"')).to.equal("order-1");
    expect(read("order-1")).to.equal("order-1");
    expect(read('\t "order-1" ')).to.equal("order-1");
  });

  it("takes the alias alone, and both when they are the same key", () => {
    expect(readIdempotencyKey([], ["k"])).to.equal("k");
    expect(readIdempotencyKey(['"k"'], ["k"])).to.equal("k");
    expect(slugOf(() => readIdempotencyKey(["k"], ["l"]))).to.equal("idempotency-key-invalid");
  });

  it("takes characters that mean something to Redis", () => {
    expect(read(":{}*?[]")).to.equal(":{}*?[]");
    expect(read("a b, c")).to.equal("a b, c");
  });

  it("refuses a key that is empty, too long, repeated or has other characters", () => {
    for (const lines of [
      [""],
      [" "],
      ['""'],
      ['"'],
      ["k".repeat(256)],
      [`"${"k".repeat(256)}"`],
      ["k", "k"],
      ["a", "b"],
      ["é"],
      ["a\u0000b"],
      ["a\tb"],
      ["a\x7f"],
      ['a"b'],
      [String.raw`a\b`],
      [String.raw`"a\"b"`],
      ['"a'],
      ['a"'],
      ['"a", "b"'],
      ['"a";v=1'],
    ]) {
      expect(
        slugOf(() => readIdempotencyKey(lines, [])),
        JSON.stringify(lines),
      ).to.equal("idempotency-key-invalid");
      expect(
        slugOf(() => readIdempotencyKey([], lines)),
        `alias ${JSON.stringify(lines)}`,
      ).to.equal("idempotency-key-invalid");
    }
    expect(read("k".repeat(255))).to.have.length(255);
    expect(read(`"${"k".repeat(255)}"`)).to.have.length(255);
  });

  it("reads back every key that it writes", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\x20\x21\x23-\x5b\x5d-\x7e]{1,255}$/), (key) => {
        expect(read(formatIdempotencyKey(key))).to.equal(key);
      }),
    );
  });
});

describe("the Sticky-* request fields", () => {
  it("read Sticky-On-Duplicate, and refuse other words", () => {
    expect(readOnDuplicate([])).to.equal(null);
    expect(readOnDuplicate(["join"])).to.equal("join");
    expect(readOnDuplicate([" Reject "])).to.equal("reject");
    expect(readOnDuplicate(["replace"])).to.equal("replace");
    for (const lines of [[""], ["wait"], ["join", "join"], ["join, reject"]]) {
      expect(
        slugOf(() => readOnDuplicate(lines)),
        String(lines),
      ).to.equal("malformed-request");
    }
  });

  it("read a force", () => {
    expect(readForce([])).to.equal(false);
    expect(readForce(["true"])).to.equal(true);
    expect(readForce(["False"])).to.equal(false);
    for (const lines of [[""], ["1"], ["yes"], ["true", "true"]]) {
      expect(
        slugOf(() => readForce(lines)),
        String(lines),
      ).to.equal("malformed-request");
    }
  });

  it("read a deadline in seconds as milliseconds", () => {
    expect(readDeadline([])).to.equal(null);
    expect(readDeadline(["30"])).to.equal(30_000);
    for (const lines of [[""], ["0"], ["-1"], ["1.5"], ["1e3"], ["9999999999"], ["5", "5"], ["٣"]]) {
      expect(
        slugOf(() => readDeadline(lines)),
        String(lines),
      ).to.equal("malformed-request");
    }
  });

  it("read the status of a result, 200 when absent", () => {
    expect(readResultStatus([])).to.equal(200);
    expect(readResultStatus(["201"])).to.equal(201);
    for (const lines of [["100"], ["99"], ["600"], ["0x1"], ["200", "200"], ["2 00"]]) {
      expect(
        slugOf(() => readResultStatus(lines)),
        String(lines),
      ).to.equal("malformed-request");
    }
  });
});

describe("field names", () => {
  it("have a lower-case form each", () => {
    expect(lowerFields.idempotencyKey).to.equal("idempotency-key");
    for (const [word, name] of Object.entries(fields)) {
      expect(lowerFields[word as keyof typeof fields]).to.equal(name.toLowerCase());
    }
  });
});
