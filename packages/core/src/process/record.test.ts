import { expect } from "chai";
import { blankRecord, recordFields } from "./record.ts";

describe("a record's fields", () => {
  const numbers = (
    "epoch version fence leaseMs attempt maxAttempts createdAt startedAt updatedAt endedAt expireAt keepUntil wakeAt " +
    "deadlineAt heartbeatAt nextAttemptAt httpStatus progressPercent rerunOf supersededBy notifyAttempt"
  ).split(" ");
  const flags = ["cancelRequested", "released", "expired"];

  it("are written as numbers and flags where they are listed by hand here, and as text elsewhere", () => {
    for (const [name, coding] of Object.entries(recordFields)) {
      const expected = numbers.includes(name) ? "number" : flags.includes(name) ? "flag" : "text";
      expect(coding, name).to.equal(expected);
    }
    expect(Object.keys(recordFields)).to.include.members([...numbers, ...flags]);
  });

  it("are all in the blank record, which says nothing and has run nothing", () => {
    expect(Object.keys(blankRecord).toSorted()).to.deep.equal(
      ["partition", "scope", ...Object.keys(recordFields)].toSorted(),
    );
    const said = Object.entries(blankRecord).filter(([, value]) => value !== null && value !== "");
    expect(Object.fromEntries(said)).to.deep.equal({
      partition: 0,
      epoch: 0,
      version: 0,
      fence: 0,
      identity: "request",
      status: "pending",
      leaseMs: 0,
      attempt: 0,
      maxAttempts: 1,
      cancelRequested: false,
      createdAt: 0,
      updatedAt: 0,
      released: false,
      expired: false,
      notifyAttempt: 0,
    });
    const texts = Object.entries(blankRecord).filter(([, value]) => value === "");
    expect(texts.map(([name]) => name)).to.deep.equal([
      "scope",
      "lastWrite",
      "service",
      "route",
      "operation",
      "fingerprint",
      "credential",
      "holder",
    ]);
  });
});
