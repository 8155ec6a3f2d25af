import { asEpochMs } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { blankRecord, type ProcessRecord } from "./record.ts";
import { createRuleBook } from "./rules.ts";
import type { ProcessEvent } from "./events.ts";
import { transition } from "./life.ts";

describe("the rules of a process whose route is not configured", () => {
  const book = createRuleBook(() => []);
  const running: ProcessRecord = {
    ...blankRecord,
    service: "gone",
    route: "gone",
    identity: "key",
    status: "in-progress",
    phase: "awaiting-callback",
    attempt: 1,
    requestPayload: "r",
  };
  function ended(event: ProcessEvent) {
    const rules = book.rulesOf(running);
    const decided = transition(running, event, { ...rules, now: asEpochMs(0), random: 0, deadLetterMs: 0 });
    return decided.kind === "change" ? decided.change : expect.fail(decided.kind);
  }

  it("keep a finished process with its request for a day, and keep its key taken", () => {
    for (const event of [{ type: "cancelled" }, { type: "overdue" }] as const) {
      const { set, spans, drop } = ended(event);
      expect(set).to.include({ released: false });
      expect(set).not.to.have.property("requestPayload");
      expect([spans.expireAt, drop]).to.deep.equal([24 * 3_600_000, []]);
    }
  });

  it("find no service and send nothing again", () => {
    expect(book.find(running)).to.equal(null);
    expect(ended({ type: "overdue" }).set).to.include({ status: "failed", executed: "unknown" });
  });
});
