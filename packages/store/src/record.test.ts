import { expect } from "chai";
import fc from "fast-check";
import {
  blankRecord,
  type Change,
  type ProcessRecord,
  recordFields,
  type RecordField,
} from "@sticky-proxy/core";
import { changeWrites, draftWrites, type FieldWrite, recordOf } from "./record.ts";

const now = 1_790_000_000_000;
const fence = 1_790_000_000_000_123;

/** Does to a hash what the scripts' `write` does. */
function applied(hash: Map<string, string>, writes: readonly FieldWrite[]): Map<string, string> {
  const next = new Map(hash);
  for (const [op, field, value] of writes) {
    if (op === "-") next.delete(field);
    else next.set(field, op === "+" ? String(now + Number(value)) : op === "#" ? String(fence) : value);
  }
  return next;
}

function read(hash: Map<string, string>): ProcessRecord | null {
  return recordOf(
    [...hash].flat().map((text) => Buffer.from(text)),
    17,
    "s",
  );
}

const change = (set: Change["set"], spans: Change["spans"] = {}): Change => ({
  set,
  spans,
  mintFence: false,
  result: null,
  drop: [],
  entry: { event: "e" },
});

const draft = {
  partition: 17,
  scope: "s",
  fields: {
    tenant: "t",
    service: "svc",
    status: "in-progress",
    owner: "a",
    attempt: 1,
    cancelRequested: false,
  },
  spans: { wakeAt: 30_000, startedAt: 0, deadlineAt: null },
  request: null,
  writeId: "w1",
  entry: { event: "created" },
} as const;

describe("the record as hash fields", () => {
  it("an empty hash is no record", () => {
    expect(recordOf([], 1, "s")).to.equal(null);
  });

  it("a draft gets minted epoch and fence, version 1, and times from the script's clock", () => {
    expect(read(applied(new Map(), draftWrites(draft)))).to.deep.equal({
      ...blankRecord,
      partition: 17,
      scope: "s",
      ...draft.fields,
      epoch: fence,
      fence,
      version: 1,
      lastWrite: "w1",
      createdAt: now,
      updatedAt: now,
      wakeAt: now + 30_000,
      startedAt: now,
    });
  });

  it("what says nothing takes no field", () => {
    const hash = applied(new Map(), draftWrites(draft));
    for (const field of ["phase", "cancelRequested", "notifyAttempt", "deadlineAt"]) {
      expect(hash.has(field), field).to.equal(false);
    }
  });

  it("any change of any field reads back as it was set", () => {
    const values: Record<string, fc.Arbitrary<unknown>> = {};
    const text = fc.string({ unit: "grapheme" });
    for (const [field, kind] of Object.entries(recordFields)) {
      if (
        ["epoch", "version", "lastWrite", "createdAt", "updatedAt", "fence"].includes(field) ||
        field.endsWith("At")
      )
        continue;
      const isNullable = blankRecord[field as RecordField] === null;
      const value: fc.Arbitrary<unknown> =
        kind === "flag" ? fc.boolean() : kind === "number" ? fc.nat() : text;
      values[field] = isNullable ? fc.option(value) : value;
    }
    const sets = fc.record(values, { requiredKeys: [] }) as unknown as fc.Arbitrary<Change["set"]>;
    fc.assert(
      fc.property(fc.array(sets, { maxLength: 5 }), (changes) => {
        let hash = applied(new Map(), draftWrites(draft));
        let expected = read(hash)!;
        for (const set of changes) {
          hash = applied(hash, changeWrites(expected, change(set), "w2"));
          expected = { ...expected, ...set, version: expected.version + 1, lastWrite: "w2", updatedAt: now };
          expect(read(hash)).to.deep.equal(expected);
        }
      }),
    );
  });

  it("a span sets a time, null takes it away, and only a minting change moves the fence", () => {
    const hash = applied(new Map(), draftWrites(draft));
    const base = read(hash)!;
    const moved = read(applied(hash, changeWrites(base, change({}, { wakeAt: 5.4, startedAt: null }), "w")))!;
    expect(moved).to.deep.include({ wakeAt: now + 5, startedAt: null, fence });
    const writes = changeWrites(base, { ...change({}), mintFence: true }, "w");
    expect(writes.filter(([op]) => op === "#")).to.deep.equal([["#", "fence", ""]]);
  });
});
