/**
 * Every way in which a process ends, as a table: what the record says then, and what comes next. Each row is tried for
 * both identities, every `onUnknown`, and `keepServerErrors` on and off.
 *
 *   freed         the identity is free: the same request starts a new process. Otherwise it is answered from the record.
 *   dead letter   an operator finds it in the list of dead letters and can run it again.
 */
import type { Executed } from "@sticky-proxy/protocol";
import type { DeadLetterClass, ProcessEvent, ProcessRecord } from "@sticky-proxy/core/process";
import type { ProcessPolicy } from "@sticky-proxy/core/registry";
import { createTestWorld } from "@sticky-proxy/core/testing";
import { expect } from "chai";
import { createTestProcesses } from "../testing.ts";

interface Variant {
  readonly identity: "key" | "request";
  readonly onUnknown: "release" | "fail" | "retry" | "probe";
  readonly keepServerErrors: boolean;
}

interface Ending {
  readonly way: string;
  /** After the first dispatch; a number passes so many ms. */
  readonly steps: readonly (ProcessEvent | number)[];
  readonly policy?: Partial<ProcessPolicy>;
  readonly attempts?: number;
  readonly honoursKey?: boolean;
  readonly status: "completed" | "failed" | "cancelled";
  readonly executed: Executed;
  readonly freed: (variant: Variant) => boolean;
  readonly deadLetter: DeadLetterClass | null | ((variant: Variant) => DeadLetterClass | null);
  /** Variants in which the steps do not end the process; they are tried by rows of their own. */
  readonly unless?: (variant: Variant) => boolean;
  /** The verdict of the next identical request where the identity is not free; default replay. */
  readonly answered?: "replay" | "conflict";
  /** How long the record says so; default {@link resultTtlMs}. */
  readonly keptMs?: number | ((variant: Variant) => number);
}

const resultTtlMs = 100_000;
const refusalMs = 60_000;
const tombstoneMs = 50_000;
const marginMs = 3_600_000;
const deadLetterMs = 30 * 24 * 3_600_000;

const always = (): boolean => true;
const never = (): boolean => false;
const whenReleased = ({ onUnknown }: Variant): boolean => onUnknown === "release";
const serverErrorsAreFreed = ({ identity, keepServerErrors }: Variant): boolean =>
  identity === "request" || !keepServerErrors;
const forRequests = ({ identity }: Variant): boolean => identity === "request";
const probes = ({ onUnknown }: Variant): boolean => onUnknown === "probe";

const response = (status: number) => ({ status, headers: [], body: Buffer.from(`answer ${status}`) });
const result = (status: number) => ({ id: `result-${status}`, response: response(status) });
const responded = (
  status: number,
  over: { retryAfterMs?: number; isClients?: true; tooLarge?: true; isFailure?: true } = {},
): ProcessEvent => ({
  type: "responded",
  attempt: 1,
  status,
  result: over.tooLarge ? null : result(status),
  retryAfterMs: over.retryAfterMs ?? null,
  ...(over.isClients ? { isClients: true } : {}),
  ...(over.isFailure ? { isFailure: true } : {}),
});
const failed = (
  executed: "no" | "unknown",
  unknown: "cut" | "timeout" | "lost" = "cut",
  attempt = 1,
): ProcessEvent => ({
  type: "failed",
  attempt,
  executed,
  unknown,
  slug: executed === "no" ? "upstream-unreachable" : "upstream-timeout",
  reason: "connection",
  retryAfterMs: null,
});
const accepted: ProcessEvent = {
  type: "accepted",
  attempt: 1,
  status: 202,
  jobId: null,
  pollUrl: null,
  pollInMs: null,
};
const calledBack = (status: number): ProcessEvent => ({
  type: "called-back",
  attempt: 1,
  status,
  result: result(status),
  message: null,
});
const reported = (executed: Executed, retryable = false): ProcessEvent => ({
  type: "reported-failure",
  attempt: 1,
  retryable,
  executed,
  reason: "refused",
  result: result(502),
  message: null,
});
const dispatched: ProcessEvent = { type: "dispatched", owner: "n1" };

// prettier-ignore
const endings: readonly Ending[] = [
  // The service answered.
  { way: "a 200", steps: [responded(200)], status: "completed", executed: "yes", freed: never, deadLetter: null },
  { way: "a 303", steps: [responded(303)], status: "completed", executed: "yes", freed: never, deadLetter: null },
  { way: "a 404", steps: [responded(404)], status: "completed", executed: "yes", freed: never, deadLetter: null },
  { way: "a 408", steps: [responded(408)], status: "failed", executed: "unknown", freed: whenReleased, deadLetter: (v) => (whenReleased(v) ? null : "upstream"), unless: probes },
  { way: "a plain 502", steps: [responded(502)], status: "failed", executed: "unknown", freed: whenReleased, deadLetter: (v) => (whenReleased(v) ? null : "upstream"), unless: probes },
  { way: "a plain 504", steps: [responded(504)], status: "failed", executed: "unknown", freed: whenReleased, deadLetter: (v) => (whenReleased(v) ? null : "upstream"), unless: probes },
  { way: "a 504 that a probe can say nothing about", steps: [responded(504), 60_001, { type: "overdue" }], status: "failed", executed: "unknown", freed: never, deadLetter: "callback", unless: (v) => !probes(v) },
  { way: "a 504 twice where the service honours keys, attempts used up", steps: [responded(504), 2000, dispatched, { ...responded(504), attempt: 2 } as ProcessEvent], attempts: 2, honoursKey: true, status: "failed", executed: "unknown", freed: whenReleased, deadLetter: "upstream", unless: probes },
  { way: "a 200 whose body says that the service failed", steps: [responded(200, { isFailure: true })], status: "failed", executed: "yes", freed: serverErrorsAreFreed, deadLetter: null },
  { way: "a 500", steps: [responded(500)], status: "failed", executed: "yes", freed: serverErrorsAreFreed, deadLetter: null },
  ...[401, 407, 409, 421, 423, 425, 431, 503].map((status): Ending => ({ way: `a ${status}, which refuses before the work,`, steps: [responded(status)], attempts: status === 425 ? 1 : 3, honoursKey: true, status: "failed", executed: "no", freed: always, deadLetter: null, keptMs: refusalMs })),
  { way: "a 403 that the route counts among its refusals", steps: [responded(403)], policy: { refusedStatuses: [403] }, status: "failed", executed: "no", freed: always, deadLetter: null, keptMs: refusalMs },
  { way: "a 409 where the route's list is empty", steps: [responded(409)], policy: { refusedStatuses: [] }, status: "completed", executed: "yes", freed: never, deadLetter: null },
  { way: "a 404 that is kept for a time of its own class", steps: [responded(404)], policy: { resultTtlByClass: { "4xx": 7000 } }, status: "completed", executed: "yes", freed: never, deadLetter: null, keptMs: 7000 },
  { way: "a 503 with Retry-After", steps: [responded(503, { retryAfterMs: 1000 })], status: "failed", executed: "no", freed: always, deadLetter: null, keptMs: refusalMs },
  { way: "a 429", steps: [responded(429)], status: "failed", executed: "no", freed: always, deadLetter: null, keptMs: refusalMs },
  { way: "a 429 that only its own client may repeat", steps: [responded(429, { isClients: true })], attempts: 3, status: "failed", executed: "no", freed: always, deadLetter: null, keptMs: refusalMs },
  { way: "a 200 that is too large to be kept", steps: [responded(200, { tooLarge: true })], status: "completed", executed: "yes", freed: never, deadLetter: null },
  { way: "a 429, attempts used up", steps: [responded(429), 2000, { ...dispatched }, { ...responded(429), attempt: 2 } as ProcessEvent], attempts: 2, status: "failed", executed: "no", freed: always, deadLetter: "upstream", keptMs: refusalMs },
  { way: "a 500 twice where the service honours keys, attempts used up", steps: [responded(500), 2000, dispatched, { ...responded(500), attempt: 2 } as ProcessEvent], attempts: 2, honoursKey: true, status: "failed", executed: "yes", freed: serverErrorsAreFreed, deadLetter: "upstream" },
  { way: "a 500 and then a connection that was refused", steps: [responded(500), 2000, dispatched, failed("no", "cut", 2)], attempts: 2, honoursKey: true, status: "failed", executed: "yes", freed: whenReleased, deadLetter: "upstream" },
  { way: "an unknown outcome and then a 429", steps: [failed("unknown"), 2000, dispatched, { ...responded(429), attempt: 2 } as ProcessEvent], attempts: 2, status: "failed", executed: "unknown", freed: never, deadLetter: "upstream", unless: (v) => v.onUnknown !== "retry" },
  { way: "a connection that was cut where the service honours keys, and then a 423", steps: [failed("unknown"), 2000, dispatched, { ...responded(423), attempt: 2 } as ProcessEvent], attempts: 3, honoursKey: true, status: "failed", executed: "unknown", freed: never, deadLetter: "upstream", unless: (v) => v.onUnknown !== "retry" },
  { way: "a 504 where the service honours keys, and then a 409", steps: [responded(504), 2000, dispatched, { ...responded(409), attempt: 2 } as ProcessEvent], attempts: 3, honoursKey: true, status: "failed", executed: "unknown", freed: whenReleased, deadLetter: (v) => (whenReleased(v) ? null : "upstream"), keptMs: (v) => (whenReleased(v) ? refusalMs : resultTtlMs), unless: probes },
  { way: "a 500 where the service honours keys, and then a 429, attempts used up", steps: [responded(500), 2000, dispatched, { ...responded(429), attempt: 2 } as ProcessEvent], attempts: 2, honoursKey: true, status: "failed", executed: "yes", freed: whenReleased, deadLetter: "upstream", keptMs: (v) => (whenReleased(v) ? refusalMs : resultTtlMs) },
  { way: "an unknown outcome, a 429, and then the end of the owner's lease", steps: [failed("unknown"), 2000, dispatched, { ...responded(429), attempt: 2 } as ProcessEvent, 1001, { type: "lease-ended" }], attempts: 3, status: "failed", executed: "unknown", freed: never, deadLetter: null, unless: (v) => v.onUnknown !== "retry" },
  ...[425, 429].map((status): Ending => ({ way: `a ${status} that the route takes for a result`, steps: [responded(status)], policy: { notExecutedStatuses: [], refusedStatuses: [] }, status: "completed", executed: "yes", freed: forRequests, deadLetter: null })),
  ...[400, 407, 410, 424, 426, 428, 430, 499].map((status): Ending => ({ way: `a ${status} that the route takes for a result`, steps: [responded(status)], policy: { notExecutedStatuses: [], refusedStatuses: [] }, status: "completed", executed: "yes", freed: never, deadLetter: null })),
  { way: "a connection that was cut where the service honours keys, attempts left", steps: [failed("unknown")], attempts: 3, honoursKey: true, status: "failed", executed: "unknown", freed: whenReleased, deadLetter: (v) => (whenReleased(v) ? null : "upstream"), unless: (v) => probes(v) || v.onUnknown === "retry" },
  // The service reported back.
  { way: "a callback with 201", steps: [accepted, calledBack(201)], status: "completed", executed: "yes", freed: never, deadLetter: null },
  { way: "a callback with 201 before the 202", steps: [calledBack(201)], status: "completed", executed: "yes", freed: never, deadLetter: null },
  { way: "a callback with 500", steps: [accepted, calledBack(500)], status: "failed", executed: "yes", freed: serverErrorsAreFreed, deadLetter: null },
  { way: "a failure report, executed no", steps: [accepted, reported("no")], status: "failed", executed: "no", freed: always, deadLetter: null },
  { way: "a failure report, executed yes", steps: [accepted, reported("yes")], status: "failed", executed: "yes", freed: serverErrorsAreFreed, deadLetter: null },
  { way: "a failure report, executed unknown", steps: [accepted, reported("unknown")], status: "failed", executed: "unknown", freed: serverErrorsAreFreed, deadLetter: null },
  { way: "a retryable failure report, executed no, no attempt left", steps: [accepted, reported("no", true)], status: "failed", executed: "no", freed: always, deadLetter: "callback" },
  { way: "a retryable failure report, executed yes", steps: [accepted, reported("yes", true)], attempts: 3, status: "failed", executed: "yes", freed: serverErrorsAreFreed, deadLetter: "callback" },
  // Nobody answered.
  { way: "a connection that was refused", steps: [failed("no")], status: "failed", executed: "no", freed: always, deadLetter: null },
  { way: "a connection that was refused, attempts used up", steps: [failed("no"), 2000, dispatched, failed("no", "cut", 2)], attempts: 2, status: "failed", executed: "no", freed: always, deadLetter: "upstream" },
  { way: "a connection that was cut", steps: [failed("unknown")], status: "failed", executed: "unknown", freed: whenReleased, deadLetter: (v) => (whenReleased(v) ? null : "upstream"), unless: probes },
  { way: "a time-out", steps: [failed("unknown", "timeout")], status: "failed", executed: "unknown", freed: whenReleased, deadLetter: (v) => (whenReleased(v) ? null : "upstream"), unless: probes },
  { way: "a probe that found nothing until the deadline", steps: [failed("unknown"), 60_001, { type: "overdue" }], status: "failed", executed: "unknown", freed: never, deadLetter: "callback", unless: (v) => !probes(v) },
  { way: "the owner's lease ended while the request was out", steps: [1001, { type: "lease-ended" }], status: "failed", executed: "unknown", freed: whenReleased, deadLetter: (v) => (whenReleased(v) ? null : "internal"), unless: probes },
  { way: "the owner's lease ended between two attempts", steps: [failed("no"), 1001, { type: "lease-ended" }], attempts: 3, status: "failed", executed: "no", freed: always, deadLetter: null },
  { way: "the owner's lease ended between two attempts of which the first was executed", steps: [responded(500), 1001, { type: "lease-ended" }], attempts: 3, honoursKey: true, status: "failed", executed: "yes", freed: whenReleased, deadLetter: null },
  // Time.
  { way: "a callback that never came", steps: [accepted, 5001, { type: "overdue" }], status: "failed", executed: "unknown", freed: whenReleased, deadLetter: "callback", unless: probes },
  { way: "the deadline while a callback was awaited", steps: [accepted, 60_001, { type: "overdue" }], status: "failed", executed: "unknown", freed: whenReleased, deadLetter: "callback" },
  { way: "the deadline while the request was out", steps: [60_001, { type: "overdue" }], status: "failed", executed: "unknown", freed: whenReleased, deadLetter: "callback" },
  { way: "the deadline between two attempts that did not run", steps: [failed("no"), 60_001, { type: "overdue" }], attempts: 3, status: "failed", executed: "no", freed: always, deadLetter: "upstream" },
  { way: "the deadline between two attempts, met by a dispatch", steps: [failed("no"), 60_001, dispatched], attempts: 3, status: "failed", executed: "no", freed: always, deadLetter: "upstream" },
  { way: "the deadline after an attempt that was executed", steps: [responded(500), 60_001, { type: "overdue" }], attempts: 3, honoursKey: true, status: "failed", executed: "yes", freed: whenReleased, deadLetter: "upstream" },
  // Somebody asked for the end.
  { way: "a cancel while the request is out", steps: [{ type: "cancelled" }], status: "cancelled", executed: "unknown", freed: forRequests, deadLetter: null, answered: "conflict" },
  { way: "a cancel while a callback is awaited", steps: [accepted, { type: "cancelled" }], status: "cancelled", executed: "unknown", freed: forRequests, deadLetter: null, answered: "conflict" },
  { way: "a cancel between two attempts that did not run", steps: [failed("no"), { type: "cancelled" }], attempts: 3, status: "cancelled", executed: "no", freed: forRequests, deadLetter: null, answered: "conflict" },
  { way: "a cancel between two attempts of which the first was executed", steps: [responded(500), { type: "cancelled" }], attempts: 3, honoursKey: true, status: "cancelled", executed: "yes", freed: forRequests, deadLetter: null, answered: "conflict" },
  { way: "a cancel where a cancelled key may be used again", steps: [{ type: "cancelled" }], policy: { restartCancelled: true }, status: "cancelled", executed: "unknown", freed: always, deadLetter: null },
];

const variants: readonly Variant[] = (["key", "request"] as const).flatMap((identity) =>
  (["release", "fail", "retry", "probe"] as const).flatMap((onUnknown) =>
    [true, false].map((keepServerErrors) => ({ identity, onUnknown, keepServerErrors })),
  ),
);

function worldOf(ending: Pick<Ending, "policy" | "attempts" | "honoursKey">, variant: Variant) {
  const { identity, onUnknown, keepServerErrors } = variant;
  const world = createTestWorld({
    policy: {
      identity,
      onUnknown: { cut: onUnknown, timeout: onUnknown, lost: onUnknown, answered: onUnknown },
      keepServerErrors,
      leaseMs: 1000,
      deadlineMs: 60_000,
      heartbeatTimeoutMs: 5000,
      resultTtlMs,
      tombstoneMs,
      probe: { path: "/probe", intervalMs: 500 },
      keepRequest: false,
      restartCancelled: false,
      allowOnDuplicate: ["join"],
      ...ending.policy,
    },
    retries: { attempts: ending.attempts ?? 1, minMs: 100, maxMs: 100 },
    honoursKey: ending.honoursKey ?? false,
  });
  return { ...world, ...createTestProcesses(world, { deadLetterMs }) };
}

function keptOf({ keptMs = resultTtlMs }: Ending, variant: Variant): number {
  return typeof keptMs === "function" ? keptMs(variant) : keptMs;
}

async function playedOut(world: ReturnType<typeof worldOf>, steps: Ending["steps"]): Promise<ProcessRecord> {
  let record = await world.begin();
  for (const step of steps) {
    if (typeof step === "number") world.clock.advance(step);
    else record = await world.apply(record, step);
  }
  return record;
}

describe("a process ends", () => {
  for (const ending of endings) {
    const tried = variants.filter((variant) => ending.unless?.(variant) !== true);

    it(`by ${ending.way}: ${ending.status}, executed ${ending.executed}, and what comes next`, async () => {
      for (const variant of tried) {
        const world = worldOf(ending, variant);
        const record = await playedOut(world, ending.steps);
        const told = JSON.stringify(variant);
        const { freed } = ending;
        const deadLetter =
          typeof ending.deadLetter === "function" ? ending.deadLetter(variant) : ending.deadLetter;
        const keptMs = keptOf(ending, variant);
        const retainedMs = deadLetter === null ? keptMs : Math.max(deadLetterMs, keptMs);
        expect(record, told).to.include({
          status: ending.status,
          phase: null,
          owner: null,
          executed: ending.executed,
          released: freed(variant),
          cancelRequested: ending.status === "cancelled",
          deadLetter,
          endedAt: world.clock.now(),
          expireAt: world.clock.now() + keptMs,
          wakeAt: world.clock.now() + keptMs,
          keepUntil: world.clock.now() + retainedMs + tombstoneMs + marginMs,
        });
        // The request holds credentials: it is kept only for a dead letter.
        expect((await world.store.readRequest(record)) !== null, `request kept ${told}`).to.equal(
          deadLetter !== null,
        );

        const again = await world.processes.begin(world.request());
        const { verdict } = again;
        if (freed(variant)) {
          expect(verdict, told).to.equal("start");
          expect(again.record.fence, told).to.be.greaterThan(record.fence);
        } else expect(verdict, told).to.equal(ending.answered ?? "replay");
      }
    });

    it(`by ${ending.way}: its key with another payload`, async () => {
      for (const variant of tried.filter(({ identity }) => identity === "key")) {
        const world = worldOf(ending, variant);
        await playedOut(world, ending.steps);
        const request = world.request();
        const { verdict } = await world.processes.begin({
          ...request,
          claim: { ...request.claim, fingerprint: "other" },
        });
        expect(verdict, JSON.stringify(variant)).to.equal(ending.freed(variant) ? "start" : "mismatch");
      }
    });
  }

  it("by being superseded while it runs: cancelled, names its successor, and the successor is the scope's process", async () => {
    for (const variant of variants) {
      const world = worldOf({}, variant);
      const first = await world.begin();
      const request = world.request();
      const begun = await world.processes.begin({ ...request, claim: { ...request.claim, force: true } });
      expect(begun.verdict, JSON.stringify(variant)).to.equal("start");
      expect(begun.record.fence).to.be.greaterThan(first.fence);
      const { record: old } = await world.processes.read(first, { withResult: false });
      expect(old).to.include({
        status: "cancelled",
        executed: "unknown",
        supersededBy: begun.record.epoch,
        deadLetter: null,
      });
      const again = await world.processes.begin(request);
      expect(again.verdict, "the same request joins the successor").to.equal("join");
      expect(again.record.epoch).to.equal(begun.record.epoch);
    }
  });

  it("by being superseded after its end: it keeps its end and its answer under its own id", async () => {
    for (const variant of variants) {
      const world = worldOf({}, variant);
      const end = await playedOut(world, [responded(200)]);
      const request = world.request();
      await world.processes.begin({ ...request, claim: { ...request.claim, force: true } });
      const { record: old, result: kept } = await world.processes.read(end, { withResult: true });
      expect(old).to.include({ status: "completed", executed: "yes", released: false });
      expect(kept?.status).to.equal(200);
    }
  });

  it("and then expires: a tombstone that knows whether it ran, an id that is gone after it, and a free identity", async () => {
    for (const ending of endings) {
      for (const variant of variants.filter((each) => ending.unless?.(each) !== true)) {
        const world = worldOf(ending, variant);
        const record = await playedOut(world, ending.steps);
        const told = `${ending.way} ${JSON.stringify(variant)}`;
        const isDead = record.deadLetter !== null;
        world.clock.advance(resultTtlMs);
        const first = await world.apply(record, { type: "expired" });
        if (isDead) {
          // Its answer is not replayed any more; the letter waits for an operator.
          expect(first, told).to.include({
            released: true,
            expired: false,
            wakeAt: record.endedAt! + deadLetterMs,
          });
          expect((await world.store.readRequest(first)) !== null, told).to.equal(true);
          world.clock.advance(deadLetterMs);
        }
        const tomb = isDead ? await world.apply(first, { type: "expired" }) : first;
        expect(tomb, told).to.include({
          status: ending.status,
          executed: ending.executed,
          expired: true,
          deadLetter: null,
          resultPayload: null,
          requestPayload: null,
          wakeAt: world.clock.now() + tombstoneMs,
          keepUntil: world.clock.now() + tombstoneMs + marginMs,
        });
        expect((await world.processes.begin(world.request())).verdict, told).to.equal("start");
      }
    }
  });
});
