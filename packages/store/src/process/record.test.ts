import { asEpochMs, asFence, asScope } from "@sticky-proxy/protocol";
import { expect } from "chai";
import fc from "fast-check";
import {
  blankRecord,
  type Change,
  type ProcessRecord,
  recordFields,
  type RecordField,
} from "@sticky-proxy/core/process";
import { changeWrites, draftWrites, type FieldWrites, recordOf, writtenRecord } from "./record.ts";

const now = asEpochMs(1_790_000_000_000);
const fence = asFence(1_790_000_000_000_123);

/** Does to a hash what the scripts' `write` does. */
function applied(
  hash: Map<string, string>,
  { values, spans, minted, gone }: FieldWrites,
): Map<string, string> {
  const next = new Map(hash);
  for (let i = 0; i < values.length; i += 2) next.set(values[i]!, values[i + 1]!);
  for (let i = 0; i < spans.length; i += 2) next.set(spans[i]!, String(now + Number(spans[i + 1])));
  for (const field of minted) next.set(field, String(fence));
  for (const field of gone) next.delete(field);
  return next;
}

function read(hash: Map<string, string>): ProcessRecord | null {
  return recordOf(
    [...hash].flat().map((text) => Buffer.from(text)),
    17,
    asScope("s"),
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
  scope: asScope("s"),
  fields: {
    principal: "t",
    service: "svc",
    status: "in-progress",
    owner: "a",
    attempt: 1,
    cancelRequested: false,
  },
  spans: { wakeAt: 30_000, startedAt: 0, deadlineAt: null },
  request: null,
  writeId: "w1",
} as const;

describe("the record as hash fields", () => {
  it("an empty hash is no record", () => {
    expect(recordOf([], 1, asScope("s"))).to.equal(null);
  });

  it("a draft gets minted epoch and fence, version 1, and times from the script's clock", () => {
    expect(read(applied(new Map(), draftWrites(draft)))).to.deep.equal({
      ...blankRecord,
      partition: 17,
      scope: asScope("s"),
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
    const spans = fc.record(
      { wakeAt: fc.option(fc.double({ noNaN: true, min: 0, max: 1e9 })), endedAt: fc.option(fc.nat()) },
      { requiredKeys: [] },
    ) as fc.Arbitrary<Change["spans"]>;
    const changes = fc.array(fc.tuple(sets, spans, fc.boolean()), { maxLength: 5 });
    fc.assert(
      fc.property(changes, (list) => {
        let hash = applied(new Map(), draftWrites(draft));
        let base = read(hash)!;
        for (const [set, times, mintFence] of list) {
          const writes = changeWrites(base, { ...change(set, times), mintFence }, "w2");
          hash = applied(hash, writes);
          const after = read(hash)!;
          const moved = { wakeAt: after.wakeAt, endedAt: after.endedAt };
          const assigned = { version: base.version + 1, lastWrite: "w2", updatedAt: now };
          expect(after).to.deep.equal({
            ...base,
            ...set,
            ...moved,
            ...assigned,
            ...(mintFence ? { fence } : {}),
          });
          // What the store answers without reading is what a reader finds.
          expect(writtenRecord(base, writes, now, fence)).to.deep.equal(after);
          base = after;
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
    expect(writes.minted).to.deep.equal(["fence"]);
  });
});
