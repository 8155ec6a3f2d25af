import { asEpochMs } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { blankRecord, type ProcessRecord } from "./record.ts";
import { createTestWorld, testRoute, testService } from "../testing/index.ts";
import { createRuleBook, unkeyedPolicy } from "./rules.ts";
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

describe("the rules of a process", () => {
  const { policy } = createTestWorld().rules;
  const retries = { attempts: 4, minMs: 10, maxMs: 20 };
  const keyed = testRoute({ name: "keyed", process: policy, retries });
  const plain = testRoute({ name: "plain" });
  const dual = testRoute({ name: "dual", mirror: { mode: "dual-write" } as never, retries });
  const shadow = testRoute({ name: "shadow", mirror: { mode: "shadow" } as never });
  const routes = [plain, keyed, dual, shadow];
  const service = testService({ routes, honoursKey: true });
  const other = testService({ name: "other", routes: [{ ...keyed, process: { ...policy, leaseMs: 7 } }] });
  const book = createRuleBook(() => [other, service]);

  const unpinned = { rules: null, operation: "" };

  it("are its route's, found by the names of service and route together", () => {
    expect(book.find({ ...unpinned, service: "payments", route: "keyed", identity: "key" })).to.deep.equal({
      service,
      route: keyed,
      rules: { policy, retries, honoursKey: true },
    });
    expect(
      book.find({ ...unpinned, service: "other", route: "keyed", identity: "key" })?.rules,
    ).to.deep.include({
      policy: { ...policy, leaseMs: 7 },
      honoursKey: false,
    });
    for (const [name, route] of [
      ["payments", "unknown"],
      ["unknown", "keyed"],
      ["other", "dual"],
    ] as const)
      expect(book.find({ ...unpinned, service: name, route, identity: "key" }), `${name}/${route}`).to.equal(
        null,
      );
  });

  it("follow the identity that its record was born with, whatever the route says now", () => {
    for (const identity of ["key", "request", "none"] as const) {
      const names = { ...unpinned, service: "payments", route: "keyed", identity };
      expect(book.find(names)?.rules.policy).to.deep.equal({ ...policy, identity });
      expect(book.rulesOf(names)).to.deep.equal(book.find(names)?.rules);
    }
  });

  it("of a route without a process are none, unless its copies are durable: then it is recorded without identity", () => {
    expect(book.rulesFor(service, plain)).to.equal(null);
    expect(book.rulesFor(service, shadow)).to.equal(null);
    expect(book.find({ ...unpinned, service: "payments", route: "plain", identity: "none" })).to.equal(null);
    expect(book.rulesFor(service, dual)).to.deep.include({
      policy: unkeyedPolicy,
      retries,
      honoursKey: true,
    });
  });

  /** What a plain proxy would do: nothing is replayed, joined, forced or sent again by itself. */
  const unkeyed = {
    identity: "none",
    key: "ignored",
    waitMs: 2_147_483_647,
    onWaitEnd: "timeout",
    completion: "response",
    onDuplicate: "join",
    allowOnDuplicate: [],
    force: false,
    leaseMs: 30_000,
    deadlineMs: null,
    heartbeatTimeoutMs: null,
    resultTtlMs: 60_000,
    resultTtlByClass: {},
    tombstoneMs: 60_000,
    maxResultBytes: 1_048_576,
    onUnknown: { cut: "release", timeout: "release", lost: "release", answered: "release" },
    restartCancelled: true,
    keepServerErrors: false,
    notExecutedStatuses: [425, 429, 503],
    refusedStatuses: [401, 407, 409, 421, 423, 425, 431, 503],
    failedWhen: null,
    fingerprintHeaders: [],
    fingerprintIgnore: { members: [], query: [] },
    keyFrom: null,
    storedHeaders: [],
    callback: { inject: { query: null, json: null, header: null }, accept: null, correlate: null },
    pollLocation: null,
    cancelHook: null,
    probe: null,
    keepRequest: false,
  };

  it("of a request without identity hold nothing beyond the exchange", () => {
    expect(unkeyedPolicy).to.deep.equal(unkeyed);
  });

  it("of a route that is gone let nothing expire early, send nothing again and keep the key", () => {
    const dayMs = 86_400_000;
    expect(book.rulesOf({ ...unpinned, service: "gone", route: "gone", identity: "key" })).to.deep.equal({
      policy: {
        ...unkeyed,
        identity: "key",
        resultTtlMs: dayMs,
        tombstoneMs: dayMs,
        onUnknown: { cut: "fail", timeout: "fail", lost: "fail", answered: "fail" },
        restartCancelled: false,
        keepServerErrors: true,
        keepRequest: true,
      },
      retries: { attempts: 1, minMs: 1000, maxMs: 1000 },
      honoursKey: false,
    });
  });
});
