/**
 * What a process tells: operators by its timeline, its client by its view. A row is a life: its events in turn, with a
 * number for ms that pass, and the line that each of them adds.
 */
import { viewOf, type ProcessEvent } from "@sticky-proxy/core/process";
import { asScope } from "@sticky-proxy/protocol";
import type { ProcessPolicy } from "@sticky-proxy/core/registry";
import { createTestWorld } from "@sticky-proxy/core/testing";
import { expect } from "chai";
import { createTestProcesses, lostAnswer } from "../testing.ts";

const result = (status: number) => ({
  id: `result-${status}`,
  response: { status, headers: [], body: Buffer.from(`answer ${status}`) },
});
const responded = (status: number, attempt = 1): ProcessEvent => ({
  type: "responded",
  attempt,
  status,
  result: result(status),
  retryAfterMs: null,
});
const tooLarge: ProcessEvent = {
  type: "responded",
  attempt: 1,
  status: 200,
  result: null,
  retryAfterMs: null,
};
const refused: ProcessEvent = {
  ...lostAnswer,
  executed: "no",
  slug: "upstream-unreachable",
  reason: "connection_refused",
};
const accepted: ProcessEvent = {
  type: "accepted",
  attempt: 1,
  status: 202,
  jobId: "j",
  pollUrl: null,
  pollInMs: null,
};
const calledBack: ProcessEvent = {
  type: "called-back",
  attempt: 1,
  status: 201,
  result: result(201),
  message: "m",
};
const reported = (retryable: boolean): ProcessEvent => ({
  type: "reported-failure",
  attempt: 1,
  retryable,
  executed: "no",
  reason: "busy",
  result: result(502),
  message: "m",
});
const dispatched: ProcessEvent = { type: "dispatched", owner: "n2" };
const notified = (delivered: boolean, retryInMs: number | null = null): ProcessEvent => ({
  type: "notified",
  delivered,
  retryInMs,
});

interface Life {
  readonly way: string;
  readonly steps: readonly (ProcessEvent | number)[];
  readonly policy?: Partial<ProcessPolicy>;
  readonly attempts?: number;
  readonly notify?: string;
  readonly mirror?: boolean;
  /** After its first line, which is of the birth. */
  readonly timeline: readonly string[];
  /** The outcome, or before the end the last error: the executed word, then the status or the problem. */
  readonly told: string;
}

async function lived({
  steps,
  policy,
  attempts = 1,
  notify,
  mirror = false,
}: Omit<Life, "way" | "timeline" | "told">) {
  const world = createTestWorld({
    policy: {
      leaseMs: 1000,
      deadlineMs: 60_000,
      heartbeatTimeoutMs: 5000,
      probe: { path: "/probe", intervalMs: 500 },
      ...policy,
    },
    retries: { attempts, minMs: 100, maxMs: 100 },
  });
  const { begin, apply } = createTestProcesses(world);
  let record = await begin({ notify: notify ?? null, mirror });
  for (const step of steps) {
    if (typeof step === "number") world.clock.advance(step);
    else record = await apply(record, step);
  }
  const lines = await world.store.timeline(record);
  const timeline = lines.map(({ event, ...rest }) => {
    const values = Object.entries(rest).filter(([name]) => name !== "at");
    return [event, ...values.map(([name, value]) => `${name}=${value}`)].join(" ");
  });
  const { outcome, lastError } = viewOf(record, "");
  const problem = (body: { type: string }) => body.type.replace(/.*\//, "");
  const told =
    outcome === null
      ? lastError === null
        ? "nothing"
        : `so far ${lastError.executed} ${problem(lastError)}`
      : `${outcome.executed} ${"problem" in outcome ? problem(outcome.problem) : outcome.httpStatus}`;
  return { record, timeline, told };
}

// prettier-ignore
const lives: readonly Life[] = [
  { way: "a 200", steps: [responded(200)], timeline: ["responded status=completed executed=yes"], told: "yes 200" },
  { way: "a 500", steps: [responded(500)], timeline: ["responded status=failed executed=yes"], told: "yes 500" },
  { way: "a 404", steps: [responded(404)], timeline: ["responded status=completed executed=yes"], told: "yes 404" },
  { way: "a 200 that is too large", steps: [tooLarge], timeline: ["responded status=completed executed=yes"], told: "yes result-too-large" },
  { way: "a 429", steps: [responded(429)], timeline: ["refused status=failed executed=no"], told: "no 429" },
  { way: "a 429 that is tried again", steps: [responded(429)], attempts: 2, timeline: ["backing-off reason=429 delayMs=100"], told: "so far no upstream-invalid-response" },
  { way: "a 504", steps: [responded(504)], timeline: ["failed status=failed executed=unknown reason=504"], told: "unknown 504" },
  { way: "a 504 that is too large", steps: [{ ...tooLarge, status: 504 } as ProcessEvent], timeline: ["failed status=failed executed=unknown reason=504"], told: "unknown upstream-timeout" },
  { way: "a 502 that is too large", steps: [{ ...tooLarge, status: 502 } as ProcessEvent], timeline: ["failed status=failed executed=unknown reason=502"], told: "unknown upstream-invalid-response" },
  { way: "a refused connection", steps: [refused], timeline: ["failed status=failed executed=no reason=connection_refused"], told: "no upstream-unreachable" },
  { way: "a refused connection that is tried again", steps: [refused], attempts: 2, timeline: ["backing-off reason=connection_refused delayMs=100"], told: "so far no upstream-unreachable" },
  { way: "a second attempt that succeeds", steps: [refused, 100, dispatched, responded(200, 2)], attempts: 2, timeline: ["backing-off reason=connection_refused delayMs=100", "dispatched attempt=2 owner=n2", "responded status=completed executed=yes"], told: "yes 200" },
  { way: "a cut connection", steps: [lostAnswer], timeline: ["failed status=failed executed=unknown reason=connection_terminated"], told: "unknown upstream-timeout" },
  { way: "a cut connection that is probed", steps: [lostAnswer], policy: { onUnknown: { cut: "probe", timeout: "fail", lost: "fail", answered: "fail" } }, timeline: ["probing reason=connection_terminated"], told: "so far unknown upstream-timeout" },
  { way: "a callback", steps: [accepted, calledBack], timeline: ["accepted status=202", "called-back status=completed executed=yes"], told: "yes 201" },
  { way: "a failure report", steps: [accepted, reported(false)], timeline: ["accepted status=202", "reported-failure status=failed executed=no reason=busy"], told: "no 502" },
  { way: "a failure report that is tried again", steps: [accepted, reported(true)], attempts: 2, timeline: ["accepted status=202", "backing-off reason=busy delayMs=100"], told: "nothing" },
  { way: "a callback that stays away after a sign of life", steps: [accepted, { type: "heartbeat", attempt: 1, percent: 5, message: "m", extendMs: null }, 5001, { type: "overdue" }], timeline: ["accepted status=202", "heartbeat", "failed status=failed executed=unknown reason=callback-overdue"], told: "unknown upstream-timeout" },
  { way: "a poll that finds nothing until the deadline", steps: [{ ...accepted, pollUrl: "/p", pollInMs: 10 } as ProcessEvent, { type: "still-running", pollInMs: 20 }, 60_001, { type: "overdue" }], timeline: ["accepted status=202", "polled", "overdue status=failed executed=unknown reason=deadline"], told: "unknown deadline-exceeded" },
  { way: "an owner that is gone", steps: [1001, { type: "lease-ended" }], timeline: ["failed status=failed executed=unknown reason=owner-gone"], told: "unknown execution-lost" },
  { way: "an owner that is gone between two attempts", steps: [refused, 1001, { type: "lease-ended" }], attempts: 2, timeline: ["backing-off reason=connection_refused delayMs=100", "orphaned status=failed executed=no"], told: "no execution-lost" },
  { way: "a wait that outlasts the deadline", steps: [refused, { type: "postponed", ms: 300, owner: "n1" }, 60_001, dispatched], attempts: 2, timeline: ["backing-off reason=connection_refused delayMs=100", "postponed delayMs=300", "overdue status=failed executed=no reason=deadline"], told: "no deadline-exceeded" },
  { way: "a cancel", steps: [{ type: "cancelled" }], timeline: ["cancelled status=cancelled executed=unknown"], told: "unknown process-cancelled" },
  { way: "a webhook that arrives at the second try", steps: [responded(200), notified(false, 1000), notified(true)], notify: "hook", timeline: ["responded status=completed executed=yes", "notify-retry", "notified"], told: "yes 200" },
  { way: "a webhook that is given up and tried anew", steps: [responded(200), notified(false), { type: "notify-again" }], notify: "hook", timeline: ["responded status=completed executed=yes", "notify-failed", "notify-again"], told: "yes 200" },
  { way: "a copy, and then the result's end", steps: [responded(200), { type: "mirrored" }, 100_000, { type: "expired" }], mirror: true, timeline: ["responded status=completed executed=yes", "mirrored", "expired"], told: "yes 200" },
  { way: "a copy that is still pending at the result's end", steps: [responded(200), 100_000, { type: "expired" }], mirror: true, timeline: ["responded status=completed executed=yes", "kept"], told: "yes 200" },
  { way: "a dead letter that is discarded", steps: [lostAnswer, { type: "discarded" }], timeline: ["failed status=failed executed=unknown reason=connection_terminated", "discarded"], told: "unknown upstream-timeout" },
  { way: "a dead letter at its result's end", steps: [lostAnswer, 100_000, { type: "expired" }], timeline: ["failed status=failed executed=unknown reason=connection_terminated", "kept"], told: "unknown upstream-timeout" },
];

describe("a process tells", () => {
  for (const { way, timeline, told, ...life } of lives)
    it(`of ${way}: ${told}`, async () => {
      const found = await lived(life);
      expect(found.timeline).to.deep.equal(["created operation=POST /charges", ...timeline]);
      expect(found.told).to.equal(told);
      expect(found.record.wakeAt, "P6").to.be.a("number");
      // A store keeps null and knows no undefined.
      expect(Object.values(found.record)).to.not.include(undefined);
    });

  it("of being superseded, in its own timeline, and its successor of its birth", async () => {
    const world = createTestWorld();
    const { processes, begin } = createTestProcesses(world);
    const first = await begin();
    const claim = { ...world.request().claim, force: true };
    const second = (await processes.begin(world.request({ claim }))).record;
    const events = async (ref: typeof first) => (await world.store.timeline(ref)).map(({ event }) => event);
    expect(await events(first)).to.deep.equal(["created", "superseded"]);
    expect(await events(second)).to.deep.equal(["created"]);
  });

  it("of being superseded after its end, too", async () => {
    const world = createTestWorld();
    const { processes, begin, apply } = createTestProcesses(world);
    const ended = await apply(await begin(), responded(200));
    await processes.begin(world.request({ claim: { ...world.request().claim, force: true } }));
    expect((await world.store.timeline(ended)).map(({ event }) => event)).to.deep.equal([
      "created",
      "responded",
      "superseded",
    ]);
  });

  it("of a webhook: what arrived or is tried again is no dead letter, what is given up is one until it is told anew", async () => {
    const world = createTestWorld();
    const { begin, apply } = createTestProcesses(world);
    const ended = await apply(await begin({ notify: "hook" }), responded(200));
    expect(ended).to.include({ notifyState: "pending", wakeAt: world.clock.now(), deadLetter: null });
    const again = await apply(ended, notified(false, 1000));
    expect(again).to.include({ notifyState: "pending", notifyAttempt: 1, deadLetter: null });
    expect(again.wakeAt).to.equal(world.clock.now() + 1000);
    const arrived = await apply(again, notified(true));
    expect(arrived).to.include({ notifyState: "delivered", notifyAttempt: 2, deadLetter: null });
    expect([arrived.wakeAt, arrived.keepUntil]).to.deep.equal([ended.expireAt, ended.keepUntil]);

    const other = await apply(await begin({ notify: "hook", scope: asScope("other") }), responded(200));
    const lost = await apply(other, notified(false));
    expect(lost).to.include({ notifyState: "failed", deadLetter: "callback", wakeAt: lost.expireAt });
    expect(lost.keepUntil).to.be.greaterThan(other.keepUntil!);
    expect(await apply(lost, { type: "notify-again" })).to.include({
      notifyState: "pending",
      deadLetter: null,
    });
  });

  it("of a copy that is still pending at its result's end: it is looked at again in a minute", async () => {
    const world = createTestWorld();
    const { begin, apply } = createTestProcesses(world);
    const ended = await apply(await begin({ mirror: true }), responded(200));
    world.clock.advance(100_000);
    const kept = await apply(ended, { type: "expired" });
    expect(kept).to.include({ expired: false, keepUntil: null, wakeAt: world.clock.now() + 60_000 });
    const copied = await apply(kept, { type: "mirrored" });
    expect(copied.keepUntil).to.be.greaterThan(world.clock.now());
  });
});
