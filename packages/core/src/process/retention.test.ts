import { asEpochMs } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { createTestWorld } from "../testing/index.ts";
import type { Circumstances } from "./events.ts";
import { blankRecord, type ProcessRecord } from "./record.ts";
import {
  keepAfterEnd,
  keepSpan,
  keptFor,
  requestAfter,
  ttlOf,
  untilDeadline,
  untilExpiry,
} from "./retention.ts";

const now = asEpochMs(1_000_000);
const hourMs = 3_600_000;
const at = (ms: number) => asEpochMs(now + ms);
const { policy } = createTestWorld({
  policy: {
    resultTtlMs: 100,
    resultTtlByClass: { "4xx": 40, "5xx": 50 },
    tombstoneMs: 7,
    keepRequest: false,
  },
}).rules;
const c: Circumstances = {
  policy,
  retries: { attempts: 1, minMs: 1, maxMs: 1 },
  honoursKey: false,
  now,
  random: 0,
  deadLetterMs: 1000,
};
const record = (over: Partial<ProcessRecord>): ProcessRecord => ({ ...blankRecord, ...over });

describe("how long a process is kept", () => {
  it("depends on its status by class, and without one on the route's usual time", () => {
    const spans = [null, 200, 399, 400, 404, 499, 500, 599].map((status) => ttlOf(policy, status));
    expect(spans).to.deep.equal([100, 100, 100, 40, 40, 40, 50, 50]);
  });

  it("is its result's time or a dead letter's, whichever is longer, its tombstone's, and a margin of an hour", () => {
    expect(keepAfterEnd(c, 100, null)).to.equal(100 + 7 + hourMs);
    expect(keepAfterEnd(c, 100, "upstream")).to.equal(1000 + 7 + hourMs);
    expect(keepAfterEnd(c, 5000, "upstream")).to.equal(5000 + 7 + hourMs);
  });

  it("is for one that has ended before what is left of its result's time, and the rest anew", () => {
    const ended = record({ expireAt: at(30), httpStatus: 404 });
    expect(keepSpan(ended, c)).to.equal(30 + 7 + hourMs);
    expect(keepSpan(ended, c, "callback")).to.equal(30 + (1000 - 40) + 7 + hourMs);
    expect(keepSpan(record({ expireAt: at(-5) }), c)).to.equal(7 + hourMs);
  });

  it("is lengthened by what must still happen and never shortened by it", () => {
    expect(keptFor(record({ keepUntil: at(hourMs + 50) }), 20, c)).to.deep.equal({ keepUntil: hourMs + 50 });
    expect(keptFor(record({ keepUntil: at(hourMs + 50) }), 80, c)).to.deep.equal({ keepUntil: hourMs + 80 });
    expect(keptFor(record({ keepUntil: null }), 80, c), "a pending copy keeps it without end").to.deep.equal(
      {},
    );
  });

  it("ends never before now: what is past is due at once", () => {
    expect(
      [at(30), at(0), at(-30), null].map((expireAt) => untilExpiry(record({ expireAt }), c)),
    ).to.deep.equal([30, 0, 0, 0]);
    const deadlines = [at(30), at(0.5), at(0), at(-1), at(-30), null];
    expect(deadlines.map((deadlineAt) => untilDeadline(record({ deadlineAt }), c))).to.deep.equal([
      31,
      2,
      1,
      0,
      0,
      24 * hourMs,
    ]);
  });

  it("its request goes when neither dead letter nor copy nor route needs it", () => {
    const needs = (deadLetter: "upstream" | null, mirror: "pending" | "done" | null, keepRequest = false) =>
      requestAfter(
        record({ requestPayload: "r" }),
        { ...c, policy: { ...policy, keepRequest } },
        { deadLetter, mirror },
      ).drop.length === 0;
    expect([needs("upstream", null), needs(null, "pending"), needs(null, null, true)]).to.deep.equal([
      true,
      true,
      true,
    ]);
    expect([needs(null, null), needs(null, "done")]).to.deep.equal([false, false]);
    const gone = requestAfter(record({ requestPayload: null }), c, { deadLetter: null, mirror: null });
    expect(gone).to.deep.equal({ set: {}, drop: [] });
    const dropped = requestAfter(record({ requestPayload: "r" }), c, { deadLetter: null, mirror: null });
    expect(dropped).to.deep.equal({ set: { requestPayload: null }, drop: ["request"] });
  });
});
