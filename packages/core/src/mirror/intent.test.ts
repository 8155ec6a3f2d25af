import { asFence, asScope } from "@sticky-proxy/protocol";
import { expect } from "chai";
import fc from "fast-check";
import { blankRecord, type ProcessRecord } from "../process/record.ts";
import { type Intent, type IntentDecision, decideIntent, overlaps } from "./intent.ts";

const intent: Intent = {
  partition: 1,
  scope: asScope("s"),
  epoch: asFence(5),
  fence: asFence(7),
  service: "users",
  route: "POST /",
  orderKey: "k",
  after: [],
  configVersion: "1",
  bodyBytes: 0,
  window: 0,
  gap: null,
  dispatchedAt: 1000,
};

function record(fields: Partial<ProcessRecord>): ProcessRecord {
  return {
    ...blankRecord,
    partition: 1,
    scope: "s",
    epoch: 5,
    fence: 7,
    mirror: "pending",
    ...fields,
  } as ProcessRecord;
}

function decide(fields: Partial<ProcessRecord> | null, mirror4xx = false): IntentDecision {
  return decideIntent(intent, fields === null ? null : record(fields), { mirror4xx });
}

describe("decideIntent", () => {
  it("sends what the primary completed with 2xx and 3xx", () => {
    for (const httpStatus of [200, 201, 204, 302]) {
      expect(decide({ status: "completed", executed: "yes", httpStatus }).kind).to.equal("send");
    }
    expect(decide({ status: "completed", executed: "yes", httpStatus: null }).kind).to.equal("send");
  });

  it("leaves 4xx out unless the route wants them", () => {
    const refused = { status: "completed", executed: "yes", httpStatus: 422 } as const;
    expect(decide(refused)).to.deep.equal({ kind: "skip", reason: "not-applicable" });
    expect(decide(refused, true).kind).to.equal("send");
  });

  it("never copies a write whose condition failed at the primary", () => {
    for (const httpStatus of [304, 412, 428]) {
      const failed = { status: "completed", executed: "yes", httpStatus } as const;
      expect(decide(failed, true)).to.deep.equal({ kind: "skip", reason: "not-applicable" });
    }
  });

  it("waits while the process is not settled", () => {
    for (const status of ["pending", "in-progress"] as const)
      expect(decide({ status }).kind).to.equal("wait");
  });

  it("skips what never ran", () => {
    for (const status of ["failed", "cancelled"] as const) {
      expect(decide({ status, executed: "no" })).to.deep.equal({ kind: "skip", reason: "never-executed" });
    }
  });

  it("never guesses: unknown ends and 5xx are primary-unknown", () => {
    expect(decide({ status: "failed", executed: "unknown" }).kind).to.equal("primary-unknown");
    expect(decide({ status: "cancelled", executed: "unknown" }).kind).to.equal("primary-unknown");
    expect(decide({ status: "failed", executed: "yes", httpStatus: 500 }).kind).to.equal("primary-unknown");
  });

  it("acts only on the intent whose fence the record carries", () => {
    expect(decide({ status: "completed", fence: asFence(8), httpStatus: 200 })).to.deep.equal({
      kind: "skip",
      reason: "redispatched",
    });
    expect(decide({ status: "completed", fence: asFence(6), httpStatus: 200 }).kind).to.equal(
      "primary-unknown",
    );
  });

  it("skips a gap by its reason, once the process is settled", () => {
    const settledRecord = record({ status: "completed", httpStatus: 200 });
    expect(decideIntent({ ...intent, gap: "lag" }, settledRecord, { mirror4xx: false })).to.deep.equal({
      kind: "skip",
      reason: "lag",
    });
    const idle = record({ status: "failed", executed: "no" });
    expect(decideIntent({ ...intent, gap: "gap" }, idle, { mirror4xx: false })).to.deep.equal({
      kind: "skip",
      reason: "never-executed",
    });
    const unknown = record({ status: "failed", executed: "unknown" });
    expect(decideIntent({ ...intent, gap: "gap" }, unknown, { mirror4xx: false }).kind).to.equal(
      "primary-unknown",
    );
    const running = record({ status: "in-progress" });
    expect(decideIntent({ ...intent, gap: "gap" }, running, { mirror4xx: false }).kind).to.equal("wait");
  });

  it("does not send a redelivered intent whose record is mirrored or gone", () => {
    expect(decide({ status: "completed", mirror: "done", httpStatus: 200 })).to.deep.equal({
      kind: "skip",
      reason: "already-mirrored",
    });
    expect(decide(null)).to.deep.equal({ kind: "skip", reason: "record-gone" });
  });
});

describe("overlaps", () => {
  it("is symmetric, and open ends reach for ever", () => {
    const call = fc.record({ at: fc.nat(100), endedAt: fc.option(fc.nat(100)) });
    fc.assert(fc.property(call, call, (a, b) => overlaps(a, b) === overlaps(b, a)));
    expect(overlaps({ at: 1, endedAt: null }, { at: 50, endedAt: 60 })).to.equal(true);
    expect(overlaps({ at: 1, endedAt: 49 }, { at: 50, endedAt: 60 })).to.equal(false);
  });
});
