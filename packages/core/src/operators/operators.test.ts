import { asEpochMs } from "@sticky-proxy/protocol";
import { expect } from "chai";
import {
  bulkState,
  includesRole,
  openPage,
  readToken,
  roleOfGroups,
  sealPage,
  sessionState,
  sessionTtlMs,
  startFault,
  writeToken,
  type BulkJob,
} from "./index.ts";

const hour = 3_600_000;

describe("operators", () => {
  it("a role includes those below it, and the highest of one's groups counts", () => {
    expect(includesRole("admin", "operator")).to.equal(true);
    expect(includesRole("viewer", "operator")).to.equal(false);
    const map = { viewer: ["all"], operator: ["ops"], admin: ["root"] };
    expect(roleOfGroups(["all", "ops"], map)).to.equal("operator");
    expect(roleOfGroups(["guests"], map)).to.equal(null);
  });

  it("a token is read back as written, underscores in its secret too; anything else is none", () => {
    const secret = `_${"a_".repeat(21)}`;
    expect(readToken(writeToken("abcdefghij01", secret))).to.deep.equal({ id: "abcdefghij01", secret });
    for (const text of [
      "",
      "sat_",
      "sat_a_b",
      `sat_ABCDEFGHIJ01_${secret}`,
      `tok_abcdefghij01_${secret}`,
      `sat_abcdefghij01_${secret}x`,
    ])
      expect(readToken(text), text).to.equal(null);
  });

  it("a session ends after eight idle hours and after a day, and its use is written once a minute", () => {
    const at = (createdAt: number, lastSeenAt: number) =>
      ({
        actor: "a",
        role: "viewer",
        tokenId: null,
        createdAt: asEpochMs(createdAt),
        lastSeenAt: asEpochMs(lastSeenAt),
      }) as const;
    expect(sessionState(at(0, 0), 60_000)).to.equal("fresh");
    expect(sessionState(at(0, 0), 60_001)).to.equal("touch");
    expect(sessionState(at(0, 0), 8 * hour)).to.equal("touch");
    expect(sessionState(at(0, 0), 8 * hour + 1)).to.equal("ended");
    expect(sessionState(at(0, 24 * hour), 24 * hour + 1)).to.equal("ended");
    expect(sessionTtlMs(at(0, 0), 0)).to.equal(8 * hour);
    expect(sessionTtlMs(at(0, 0), 23 * hour)).to.equal(hour);
  });

  it("a page token opens for its own query, within a day, unchanged", () => {
    const token = sealPage("key", "q", { cursor: "1.a", asOf: 5 });
    expect(openPage("key", "q", token, 5 + 24 * hour)).to.deep.equal({ cursor: "1.a", asOf: 5 });
    expect(openPage("key", "q", token, 6 + 24 * hour)).to.equal(null);
    expect(openPage("key", "other", token, 5)).to.equal(null);
    expect(openPage("other", "q", token, 5)).to.equal(null);
    expect(openPage("key", "q", `x${token}`, 5)).to.equal(null);
    expect(openPage("key", "q", `${token}.x`, 5)).to.equal(null);
  });

  it("a bulk job starts with the count of its plan, once, within ten minutes", () => {
    const planned: BulkJob = {
      id: "j",
      action: "redrive",
      filter: { service: null, class: null, reason: null, executed: null, olderThanMs: null },
      actor: "a",
      createdAt: 0,
      plan: { plannedAt: 0, count: 3, isCapped: false, outlook: {}, sample: [] },
      start: null,
      isCancelRequested: false,
      end: null,
      done: 0,
      counts: {},
    };
    const start = { reason: "r", ratePerSecond: 1, at: 1 };
    expect(startFault(planned, 3, 600_000)).to.equal(null);
    expect(startFault(planned, 3, 600_001)).to.equal("stale");
    expect(startFault(planned, 4, 0)).to.equal("count");
    expect(startFault({ ...planned, plan: null }, 3, 0)).to.equal("planning");
    expect(startFault({ ...planned, start }, 3, 0)).to.equal("started");
    expect(bulkState({ ...planned, start, isCancelRequested: true })).to.equal("cancelling");
    expect(bulkState({ ...planned, end: { state: "failed", at: 1, error: "x" } })).to.equal("failed");
  });
});
