/**
 * What every event does in every state, as a table: the word in the timeline where it changes the record, `-` where there
 * is nothing to do, and a capital where it is refused (P1, P2, P3, P10): Stale execution, still Running, Terminal.
 */
import { asEpochMs, asFence } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { createTestWorld } from "../testing/index.ts";
import { dutyOf } from "./duty.ts";
import type { Circumstances, ProcessEvent } from "./events.ts";
import { transition } from "./life.ts";
import { blankRecord, type ProcessRecord } from "./record.ts";

const now = asEpochMs(1_000_000);
const { policy } = createTestWorld().rules;
const circumstances: Circumstances = {
  policy: { ...policy, heartbeatTimeoutMs: 5000 },
  retries: { attempts: 5, minMs: 100, maxMs: 100 },
  honoursKey: false,
  now,
  random: 0.5,
  deadLetterMs: 1000,
};

const out: ProcessRecord = {
  ...blankRecord,
  identity: "key",
  epoch: asFence(1),
  status: "in-progress",
  phase: "forwarding",
  owner: "n1",
  leaseMs: 1000,
  attempt: 2,
  requestPayload: "r",
};
const ended: ProcessRecord = {
  ...out,
  status: "completed",
  phase: null,
  owner: null,
  executed: "yes",
  resultPayload: "counted",
  lastMessage: "m1",
  endedAt: now,
  expireAt: asEpochMs(now + 1),
};
const states = {
  pending: { ...out, status: "pending", phase: null, attempt: 0 },
  forwarding: out,
  awaiting: { ...out, phase: "awaiting-callback", owner: null },
  polling: { ...out, phase: "awaiting-callback", owner: null, pollUrl: "/p" },
  "backing off": { ...out, phase: "backing-off", executed: "no" },
  completed: ended,
  cancelled: { ...ended, status: "cancelled", resultPayload: null },
  "dead letter": { ...ended, status: "failed", deadLetter: "upstream", expireAt: now },
  "to be told": { ...ended, notify: "hook", notifyState: "pending" },
  "told in vain": { ...ended, notify: "hook", notifyState: "failed", deadLetter: "callback" },
  "to be copied": { ...ended, mirror: "pending", expireAt: now },
  due: { ...ended, expireAt: now },
  tombstone: { ...ended, expired: true, expireAt: now },
} as const satisfies Record<string, ProcessRecord>;

const result = (id: string) => ({ id, response: { status: 200, headers: [], body: new Uint8Array() } });
const calledBack = (attempt: number, id: string, message: string | null = null): ProcessEvent => ({
  type: "called-back",
  attempt,
  status: 200,
  result: result(id),
  message,
});
const reported = (attempt: number): ProcessEvent => ({
  type: "reported-failure",
  attempt,
  retryable: false,
  executed: "no",
  reason: "busy",
  result: result("f"),
  message: null,
});
const failed = (attempt: number): ProcessEvent => ({
  type: "failed",
  attempt,
  executed: "no",
  unknown: "cut",
  slug: "upstream-unreachable",
  reason: "refused",
  retryAfterMs: null,
});
const events = {
  dispatched: { type: "dispatched", owner: "n2" },
  "answered now": { type: "responded", attempt: 2, status: 200, result: result("r"), retryAfterMs: null },
  "answered before": { type: "responded", attempt: 1, status: 200, result: result("r"), retryAfterMs: null },
  "accepted now": { type: "accepted", attempt: 2, status: 202, jobId: null, pollUrl: null, pollInMs: null },
  "accepted before": {
    type: "accepted",
    attempt: 1,
    status: 202,
    jobId: null,
    pollUrl: null,
    pollInMs: null,
  },
  "failed now": failed(2),
  "failed before": failed(1),
  "called back now": calledBack(2, "r"),
  "called back before": calledBack(1, "r"),
  "called back as it counted": calledBack(2, "counted"),
  "called back by a known message": calledBack(2, "other", "m1"),
  "failure reported now": reported(2),
  "failure reported before": reported(1),
  "sign of life now": { type: "heartbeat", attempt: 2, percent: 1, message: null, extendMs: null },
  "sign of life before": { type: "heartbeat", attempt: 1, percent: 1, message: null, extendMs: null },
  "poll found nothing": { type: "still-running", pollInMs: 10 },
  postponed: { type: "postponed", ms: 10, owner: "n1" },
  cancelled: { type: "cancelled" },
  withdrawn: { type: "withdrawn", attempt: 2 },
  "lease ended": { type: "lease-ended" },
  overdue: { type: "overdue" },
  notified: { type: "notified", delivered: true, retryInMs: null },
  "tell again": { type: "notify-again" },
  mirrored: { type: "mirrored" },
  discarded: { type: "discarded" },
  expired: { type: "expired" },
} as const satisfies Record<string, ProcessEvent>;

const refusals = { "execution-stale": "S", "process-running": "R", "process-terminal": "T" } as const;
const wordOf = (state: ProcessRecord, event: ProcessEvent): string => {
  const decided = transition(state, event, circumstances);
  if (decided.kind === "change") return decided.change.entry.event;
  return decided.kind === "same" ? "-" : refusals[decided.slug];
};
/** Columns are the states, rows the events. */
const table = `
                               | pending    | forwarding       | awaiting         | polling          | backing off      | completed | cancelled | dead letter | to be told | told in vain | to be copied | due     | tombstone
dispatched                     | dispatched | R                | R                | R                | dispatched       | T         | T         | T           | T          | T            | T            | T       | T
answered now                   | S          | responded        | S                | S                | S                | T         | T         | T           | T          | T            | T            | T       | T
answered before                | S          | S                | S                | S                | S                | T         | T         | T           | T          | T            | T            | T       | T
accepted now                   | S          | accepted         | S                | S                | S                | T         | T         | T           | T          | T            | T            | T       | T
accepted before                | S          | S                | S                | S                | S                | T         | T         | T           | T          | T            | T            | T       | T
failed now                     | S          | backing-off      | S                | S                | S                | T         | T         | T           | T          | T            | T            | T       | T
failed before                  | S          | S                | S                | S                | S                | T         | T         | T           | T          | T            | T            | T       | T
called back now                | S          | called-back      | called-back      | called-back      | called-back      | S         | S         | S           | S          | S            | S            | S       | S
called back before             | S          | S                | S                | S                | S                | S         | S         | S           | S          | S            | S            | S       | S
called back as it counted      | S          | called-back      | called-back      | called-back      | called-back      | -         | S         | -           | -          | -            | -            | -       | -
called back by a known message | S          | called-back      | called-back      | called-back      | called-back      | -         | -         | -           | -          | -            | -            | -       | -
failure reported now           | S          | reported-failure | reported-failure | reported-failure | reported-failure | S         | S         | S           | S          | S            | S            | S       | S
failure reported before        | S          | S                | S                | S                | S                | S         | S         | S           | S          | S            | S            | S       | S
sign of life now               | S          | heartbeat        | heartbeat        | heartbeat        | heartbeat        | S         | -         | S           | S          | S            | S            | S       | S
sign of life before            | S          | S                | S                | S                | S                | S         | -         | S           | S          | S            | S            | S       | S
poll found nothing             | -          | -                | polled           | polled           | -                | T         | T         | T           | T          | T            | T            | T       | T
postponed                      | postponed  | R                | R                | R                | postponed        | T         | T         | T           | T          | T            | T            | T       | T
cancelled                      | cancelled  | cancelled        | cancelled        | cancelled        | cancelled        | T         | -         | T           | T          | T            | T            | T       | T
withdrawn                      | S          | withdrawn        | S                | S                | withdrawn        | T         | T         | T           | T          | T            | T            | T       | T
lease ended                    | orphaned   | failed           | -                | -                | orphaned         | T         | T         | T           | T          | T            | T            | T       | T
overdue                        | overdue    | failed           | failed           | failed           | overdue          | T         | T         | T           | T          | T            | T            | T       | T
notified                       | R          | R                | R                | R                | R                | -         | -         | -           | notified   | -            | -            | -       | -
tell again                     | R          | R                | R                | R                | R                | -         | -         | -           | -          | notify-again | -            | -       | -
mirrored                       | R          | R                | R                | R                | R                | -         | -         | -           | -          | -            | mirrored     | -       | -
discarded                      | R          | R                | R                | R                | R                | -         | -         | discarded   | -          | discarded    | -            | -       | -
expired                        | R          | R                | R                | R                | R                | -         | -         | kept        | -          | -            | kept         | expired | -
`;

describe("in the state machine", () => {
  const [head, ...rows] = table
    .trim()
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()));
  it("the table names every state and every event", () => {
    expect(head!.slice(-Object.keys(states).length)).to.deep.equal(Object.keys(states));
    expect(rows.map(([event]) => event)).to.deep.equal(Object.keys(events));
  });

  for (const [event, ...words] of rows)
    it(`${event} does in every state what the table says`, () => {
      const found = Object.values(states).map((state) => wordOf(state, events[event as keyof typeof events]));
      expect(found).to.deep.equal(words);
    });
});

describe("when its alarm rings", () => {
  const duties: Record<keyof typeof states, string> = {
    pending: "dispatch",
    forwarding: "take-over",
    awaiting: "fail",
    polling: "poll",
    "backing off": "dispatch",
    completed: "expire",
    cancelled: "expire",
    "dead letter": "expire",
    "to be told": "deliver",
    "told in vain": "expire",
    "to be copied": "expire",
    due: "expire",
    tombstone: "purge",
  };
  for (const [state, duty] of Object.entries(duties)) {
    const record: ProcessRecord = states[state as keyof typeof states];
    it(`a process that is ${state} is due to ${duty}, not a moment before, and past its deadline to fail unless it has ended`, () => {
      for (const wakeAt of [null, asEpochMs(now - 1), now])
        expect(dutyOf({ ...record, wakeAt }, now), String(wakeAt)).to.equal(duty);
      expect(dutyOf({ ...record, wakeAt: asEpochMs(now + 1) }, now)).to.equal(null);
      const late = record.endedAt === null ? "fail" : duty;
      expect(dutyOf({ ...record, deadlineAt: now }, now)).to.equal(late);
      expect(dutyOf({ ...record, deadlineAt: asEpochMs(now + 1) }, now)).to.equal(duty);
      expect(dutyOf({ ...record, deadlineAt: now, wakeAt: asEpochMs(now + 1) }, now)).to.equal(null);
    });
  }

  it("where the store may forget, what an owner that is gone waited to send is unknown, and a sweeper does not send it", () => {
    for (const state of ["pending", "backing off"] as const) {
      const owned = { ...states[state], owner: "n1" };
      expect(dutyOf(owned, now, true), state).to.equal("take-over");
      expect(dutyOf({ ...owned, owner: null }, now, true), `${state}, by its alarm`).to.equal("dispatch");
      const ended = transition(owned, { type: "lease-ended" }, { ...circumstances, mayForget: true });
      if (ended.kind !== "change") throw new Error(ended.kind);
      expect(ended.change.set.executed, state).to.equal("unknown");
    }
  });

  it("what cannot be sent, because its request is not kept, is taken over instead", () => {
    for (const state of ["pending", "backing off"] as const)
      expect(dutyOf({ ...states[state], requestPayload: null }, now), state).to.equal("take-over");
  });
});
