import { asEpochMs } from "@sticky-proxy/protocol";
import { expect } from "chai";
import fc from "fast-check";
import type { ProcessPolicy } from "@sticky-proxy/core/registry";
import {
  dutyOf,
  isTerminal,
  type ProcessRecord,
  transition,
  type ProcessEvent,
} from "@sticky-proxy/core/process";
import { done, lost, policy, response, unreachable, world } from "./testing.ts";

describe("the invariants P1 to P10", () => {
  it("keeps P1 to P10 over every sequence of events, duties and time", async () => {
    const event = fc.oneof(
      fc.constant({ type: "dispatched", owner: "n2" } as ProcessEvent),
      fc
        .record({ attempt: fc.integer({ min: 0, max: 4 }), status: fc.constantFrom(200, 404, 429, 500, 503) })
        .map(
          (x) =>
            ({
              type: "responded",
              ...x,
              result: { id: `r${x.status}`, response: response(x.status) },
              retryAfterMs: x.status === 503 ? 50 : null,
            }) as ProcessEvent,
        ),
      fc.record({ attempt: fc.integer({ min: 0, max: 4 }) }).map(
        (x) =>
          ({
            type: "accepted",
            ...x,
            status: 202,
            jobId: null,
            pollUrl: null,
            pollInMs: null,
          }) as ProcessEvent,
      ),
      fc
        .record({
          attempt: fc.integer({ min: 0, max: 4 }),
          unknown: fc.constantFrom("cut", "timeout", "lost"),
        })
        .map((x) => lost(x.attempt, x.unknown as "cut")),
      fc.integer({ min: 0, max: 4 }).map(unreachable),
      fc.record({ attempt: fc.integer({ min: 0, max: 4 }), id: fc.constantFrom("a", "b") }).map(
        (x) =>
          ({
            type: "called-back",
            attempt: x.attempt,
            status: 200,
            result: { id: x.id, response: response(200, x.id) },
            message: null,
          }) as ProcessEvent,
      ),
      fc.record({ attempt: fc.integer({ min: 0, max: 4 }), retryable: fc.boolean() }).map(
        (x) =>
          ({
            type: "reported-failure",
            ...x,
            executed: "no",
            reason: "x",
            result: { id: "f", response: response(502) },
            message: null,
          }) as ProcessEvent,
      ),
      fc
        .integer({ min: 0, max: 4 })
        .map(
          (attempt) =>
            ({ type: "heartbeat", attempt, percent: 1, message: null, extendMs: 10 }) as ProcessEvent,
        ),
      fc.constantFrom(
        { type: "cancelled" },
        { type: "withdrawn", attempt: 1 },
        { type: "postponed", ms: 700, owner: null },
        { type: "lease-ended" },
        { type: "overdue" },
        { type: "expired" },
        { type: "mirrored" },
        { type: "discarded" },
        { type: "notified", delivered: true, retryInMs: null },
        { type: "notified", delivered: false, retryInMs: 70_000_000 },
        { type: "notified", delivered: false, retryInMs: null },
        { type: "notify-again" },
        { type: "still-running", pollInMs: 20 },
      ) as fc.Arbitrary<ProcessEvent>,
    );
    // The alarm's own time, and then what it rings for: without it few sequences get past a result's end.
    const step: fc.Arbitrary<ProcessEvent | number | "alarm"> = fc.oneof(
      { weight: 4, arbitrary: event },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 40_000 }) },
      { weight: 3, arbitrary: fc.constant("alarm" as const) },
    );
    const reached = {
      ended: 0,
      expired: 0,
      tombstone: 0,
      purgeable: 0,
      keptForDeadLetter: 0,
      keptForMirror: 0,
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.constantFrom("release", "fail", "retry", "probe"),
        fc.boolean(),
        fc.boolean(),
        async (steps, onUnknown, mirror, honoursKey) => {
          const w = world(
            {
              onUnknown: {
                cut: onUnknown,
                timeout: onUnknown,
                lost: onUnknown,
                answered: onUnknown,
              } as ProcessPolicy["onUnknown"],
            },
            { honoursKey },
          );
          const begun = await w.processes.begin({ ...w.request, mirror, notify: "hook" });
          let record = begun.record;
          async function move(event: ProcessEvent): Promise<void> {
            const before = record;
            const answer = await w.processes.apply(record, event);
            if (answer.kind === "gone") throw new Error("nothing purges here");
            record = answer.record;
            check(before, record, event, w.now(), w.rules.policy);
            if (!isTerminal(before.status) && isTerminal(record.status)) reached.ended += 1;
            if (!before.expired && record.expired) reached.expired += 1;
            if (before.expired) reached.tombstone += 1;
            if (event.type === "expired" && !record.expired && record.deadLetter !== null)
              reached.keptForDeadLetter += 1;
            if (event.type === "expired" && !record.expired && record.mirror === "pending")
              reached.keptForMirror += 1;
          }
          for (const s of steps) {
            if (typeof s === "number") w.advance(s);
            else if (s !== "alarm") await move(s);
            else {
              const at = record.expired ? record.wakeAt! : Math.max(record.wakeAt!, record.expireAt ?? 0);
              w.advance(Math.max(0, at - w.now()));
              const duty = dutyOf(record, w.now());
              if (duty === "purge") reached.purgeable += 1;
              else if (isTerminal(record.status)) await move({ type: "expired" });
              else await move({ type: record.owner === null ? "overdue" : "lease-ended" });
            }
          }
        },
      ),
      { numRuns: 500 },
    );
    // The run means something only where it came to these states often.

    for (const [state, times] of Object.entries(reached)) expect(times, state).to.be.at.least(10);
  });

  it("decides without looking at a clock: the same inputs give the same change", () => {
    const record = { status: "in-progress", phase: "forwarding", attempt: 1, owner: "n1", leaseMs: 1000 };
    const c = {
      now: asEpochMs(5),
      policy,
      retries: { attempts: 1, minMs: 1, maxMs: 1 },
      honoursKey: false,
      random: 0,
      deadLetterMs: 9,
    };
    const once = transition(record as ProcessRecord, done(1), c);
    expect(transition(record as ProcessRecord, done(1), c)).to.deep.equal(once);
  });
});

function check(
  before: ProcessRecord,
  after: ProcessRecord,
  event: ProcessEvent,
  now: number,
  p: ProcessPolicy,
): void {
  const told = `${event.type}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`;
  if (after.fence !== before.fence) {
    expect(event.type, `P1 ${told}`).to.equal("dispatched");
    expect(before.phase, `P1 ${told}`).to.be.oneOf(["backing-off", null]);
  }
  expect(after.fence, `P5 ${told}`).to.be.at.least(before.fence);
  expect(after.attempt, `P5 ${told}`).to.be.at.least(before.attempt);
  expect(after.attempt, `attempts are bounded ${told}`).to.be.at.most(3);
  if (isTerminal(before.status)) expect(after.status, `P3 ${told}`).to.equal(before.status);
  if (after.phase !== "forwarding" && after.phase !== "backing-off" && after.status !== "pending") {
    expect(after.owner, `P4 ${told}`).to.equal(null);
  }
  if (before.executed === "unknown" || before.executed === "yes")
    expect(after.executed, `P8 ${told}`).to.not.equal("no");
  expect(after.wakeAt, `P6 ${told}`).to.be.a("number");
  if (!before.expired && after.expired) {
    expect(after.wakeAt, `P6: the tombstone's end ${told}`).to.equal(now + p.tombstoneMs);
    expect(after.keepUntil, `P7: a margin behind it ${told}`).to.equal(now + p.tombstoneMs + 3_600_000);
    expect(now, `P7: not before its time ${told}`).to.be.at.least(before.expireAt!);
    expect([after.requestPayload, after.resultPayload, after.deadLetter]).to.deep.equal([null, null, null]);
    expect(before.mirror, `P7: a pending copy keeps it ${told}`).to.not.equal("pending");
  }
  if (before.expired) {
    expect(after.expired, `P3 ${told}`).to.equal(true);
    expect(after.requestPayload, `P9 ${told}`).to.equal(null);
  }
  if (event.type === "expired" && after.version !== before.version && !after.expired)
    expect(after.wakeAt, `P6: asked again later ${told}`).to.be.greaterThan(now);
  if (isTerminal(after.status)) {
    expect(after.endedAt, `P7 ${told}`).to.be.a("number");
    expect(after.expireAt, `P7 ${told}`).to.be.a("number");
    expect(after.executed, `P7 ${told}`).to.be.oneOf(["yes", "no", "unknown"]);
    if (after.mirror === "pending") expect(after.keepUntil, `P7 ${told}`).to.equal(null);
    else expect(after.keepUntil, `P7 ${told}`).to.be.at.least(Math.min(after.expireAt!, now + p.tombstoneMs));
    if (after.executed === "no" && after.status === "failed")
      expect(after.released, `P8 ${told}`).to.equal(true);
  } else {
    expect(after.resultPayload, `P9 ${told}`).to.equal(null);
  }
  if (before.resultPayload !== null && !after.expired) {
    expect(after.resultPayload, `P9 ${told}`).to.equal(before.resultPayload);
  }
}
