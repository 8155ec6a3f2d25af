import { asEpochMs } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { blankRecord, type ProcessRecord } from "../process/record.ts";
import { verdictOf, type Claim } from "./verdict.ts";

const claim: Claim = { fingerprint: "f", credential: "c", force: false, onDuplicate: "join" };
const running: ProcessRecord = {
  ...blankRecord,
  identity: "key",
  fingerprint: "f",
  credential: "c",
  status: "in-progress",
};
const ended: ProcessRecord = { ...running, status: "completed", expireAt: asEpochMs(1000) };
const cancelled: ProcessRecord = { ...ended, status: "cancelled" };
const keyed = { identity: "key" } as const;

// [the record, over the claim, now, the verdict]
const table: readonly [string, ProcessRecord, Partial<Claim>, number, string][] = [
  ["a running process", running, {}, 0, "join"],
  ["a running process, duplicates rejected", running, { onDuplicate: "reject" }, 0, "conflict"],
  ["a running process, replaced", running, { onDuplicate: "replace" }, 0, "start"],
  ["a running process, forced", running, { force: true }, 0, "start"],
  ["a running process past a time to live that it does not have", running, {}, 9999, "join"],
  ["a running process under another payload", running, { fingerprint: "g" }, 0, "mismatch"],
  [
    "a running process under another payload, forced",
    running,
    { fingerprint: "g", force: true },
    0,
    "mismatch",
  ],
  ["a running process under another credential", running, { credential: "d" }, 0, "mismatch"],
  ["a pending process", { ...running, status: "pending" }, {}, 0, "join"],
  ["an end that is kept", ended, {}, 999, "replay"],
  ["an end that is kept, duplicates rejected", ended, { onDuplicate: "reject" }, 999, "replay"],
  ["an end that is kept, replacing", ended, { onDuplicate: "replace" }, 999, "replay"],
  ["an end that is kept, forced", ended, { force: true }, 999, "start"],
  ["an end that is kept, under another payload", ended, { fingerprint: "g" }, 999, "mismatch"],
  ["an end at the very ms of its expiry", ended, {}, 1000, "start"],
  ["an end past its expiry, under another payload", ended, { fingerprint: "g" }, 1001, "start"],
  ["an end that is kept for ever", { ...ended, expireAt: null }, {}, 9999, "replay"],
  ["an end that was marked expired", { ...ended, expired: true }, {}, 0, "start"],
  ["an end whose identity is free", { ...ended, released: true }, { credential: "d" }, 0, "start"],
  ["a failure that is kept", { ...ended, status: "failed" }, {}, 0, "replay"],
  ["a cancel", cancelled, {}, 0, "conflict"],
  ["a cancel under another payload", cancelled, { fingerprint: "g" }, 0, "mismatch"],
  ["a cancel, forced", cancelled, { force: true }, 0, "start"],
  ["a cancel whose identity is free", { ...cancelled, released: true }, {}, 0, "start"],
];

describe("the verdict on a request", () => {
  it("without a record starts the first process", () => {
    expect(verdictOf(null, claim, keyed, 0)).to.deep.equal({ verdict: "start", supersedes: null });
  });

  for (const [situation, record, over, now, verdict] of table) {
    it(`that meets ${situation} is ${verdict}`, () => {
      const decided = verdictOf(record, { ...claim, ...over }, keyed, now);
      expect(decided.verdict).to.equal(verdict);
      // Every verdict carries the record that it was made from.
      expect(Object.values(decided)).to.include(record);
    });
  }

  it("names the reason of a conflict: still running, or cancelled", () => {
    const rejected = verdictOf(running, { ...claim, onDuplicate: "reject" }, keyed, 0);
    expect(rejected).to.deep.equal({ verdict: "conflict", slug: "request-in-progress", record: running });
    expect(verdictOf(cancelled, claim, keyed, 0)).to.include({ slug: "process-cancelled" });
  });

  it("compares payload and credential only where the key is the identity", () => {
    const other = { ...claim, fingerprint: "g", credential: "d" };
    for (const identity of ["request", "none"] as const) {
      expect(verdictOf(running, other, { identity }, 0).verdict).to.equal("join");
    }
  });
});
