import { createSecretKey } from "node:crypto";
import { nobody } from "@sticky-proxy/core/principal";
import { HolderOverBudget, StoreUnavailable, type ProcessRecord } from "@sticky-proxy/core/process";
import type { MirrorPolicy } from "@sticky-proxy/core/registry";
import { createTestWorld } from "@sticky-proxy/core/testing";
import { expect } from "chai";
import { createTestProcesses } from "../testing.ts";
import { createSideCopies, type SideCall, type SideEnding } from "./side-copies.ts";

const answered: SideEnding = {
  kind: "answered",
  status: 201,
  headers: [["Content-Type", "text/plain"]],
  body: Buffer.from("made"),
};

/** One call, noted to its end. */
async function noted(
  given: {
    body?: Awaited<SideCall["body"]>;
    ending?: SideEnding;
    policy?: Partial<MirrorPolicy>;
    hasRoom?: boolean;
    failing?: Error;
  } = {},
) {
  const world = createTestWorld();
  const gaps: string[] = [];
  const intents: string[] = [];
  const tracked: string[] = [];
  const failures: unknown[] = [];
  const records: ProcessRecord[] = [];
  const { processes } = createTestProcesses(world, { onTransition: (_from, to) => void records.push(to) });
  const copies = createSideCopies({
    processes: given.failing
      ? { ...processes, begin: () => Promise.reject(given.failing as Error) }
      : processes,
    watchdog: {
      track: () => {
        tracked.push("tracked");
        return { mayDispatch: () => true, release: () => void tracked.push("released") };
      },
      tick: () => Promise.resolve(),
      size: 0,
    },
    intents: {
      beforeDispatch: () => {
        intents.push("intent");
        return Promise.resolve({
          marks: [],
          ensure: () => Promise.resolve(void intents.push("ensured")),
          close: () => Promise.resolve(void intents.push("closed")),
        });
      },
      begin: () => () => undefined,
      hasRoom: () => given.hasRoom ?? true,
      noteUncopied: (_service: string, _route: string, reason: string) => gaps.push(reason),
    } as never,
    secret: createSecretKey(Buffer.alloc(32)),
    newId: world.newId,
    clock: world.clock,
    sleep: () => Promise.resolve(),
    onFailure: (error) => failures.push(error),
  });
  const policy = { mirror4xx: false, orderKey: null, ...given.policy } as MirrorPolicy;
  copies.begin({
    service: { ...world.service, credential: ["authorization"] },
    route: world.route,
    policy,
    rules: world.rules,
    head: { method: "POST", path: "/users", query: null, headers: [["Authorization", "Bearer hush"]] },
    principal: nobody,
    holder: "address:192.0.2.1",
    traceparent: "",
    body: Promise.resolve(given.body ?? Buffer.from("{}")),
    ending: Promise.resolve(given.ending ?? answered),
  });
  await copies.idle();
  const [record = null] = records.slice(-1);
  const request =
    record === null ? null : await world.store.readRequest(record, { mayLackCredentials: true });
  return { record, request, gaps, intents, tracked, failures };
}

describe("a durable copy from the side", () => {
  it("notes the call with its intent, and ends with what the primary answered", async () => {
    const { record, request, gaps, intents, tracked, failures } = await noted();
    expect(record).to.include({
      status: "completed",
      executed: "yes",
      httpStatus: 201,
      identity: "none",
      mirror: "pending",
      keepUntil: null,
      owner: null,
      deadLetter: null,
    });
    expect(Buffer.from(request!.body).toString()).to.equal("{}");
    expect(request!.head.headers, "credentials are not at rest").to.deep.equal([]);
    expect(intents).to.deep.equal(["intent", "ensured", "closed"]);
    expect(tracked.slice(0, 2)).to.deep.equal(["tracked", "released"]);
    expect([gaps, failures]).to.deep.equal([[], []]);
  });

  for (const { what, ending, record: expected } of [
    {
      what: "a refusal is the primary's answer",
      ending: { ...answered, status: 422 },
      record: { status: "completed", executed: "yes", httpStatus: 422 },
    },
    {
      what: "a server error is no success, and sent by nobody again",
      ending: { ...answered, status: 500 },
      record: { status: "failed", executed: "yes", httpStatus: 500, deadLetter: null },
    },
    {
      what: "a balancer's word leaves it unknown",
      ending: { ...answered, status: 504 },
      record: { status: "failed", executed: "unknown", deadLetter: null },
    },
    {
      what: "an answer without a body that could be kept is an answer",
      ending: { ...answered, body: null },
      record: { executed: "yes", httpStatus: 201 },
    },
    {
      what: "a cut exchange is unknown",
      ending: { kind: "failed", executed: "unknown", reason: "upstream-timeout" },
      record: { status: "failed", executed: "unknown", deadLetter: null },
    },
    {
      what: "what never reached the primary did not run",
      ending: { kind: "failed", executed: "no", reason: "upstream-unreachable" },
      record: { status: "failed", executed: "no", deadLetter: null },
    },
  ] satisfies { what: string; ending: SideEnding; record: Partial<ProcessRecord> }[]) {
    it(what, async () => {
      const { record, failures } = await noted({ ending });
      expect(record).to.include(expected);
      expect(failures).to.deep.equal([]);
    });
  }

  for (const { what, given, gaps } of [
    { what: "a body over the bound", given: { body: "body-too-large" as const }, gaps: ["body-too-large"] },
    { what: "no memory for the body", given: { body: "memory" as const }, gaps: ["memory"] },
    { what: "a full outbox", given: { hasRoom: false }, gaps: ["lag"] },
    { what: "a store that is away", given: { failing: new StoreUnavailable("away") }, gaps: ["store-away"] },
    {
      what: "a caller who stores too much",
      given: { failing: new HolderOverBudget("full", 1, "bytes") },
      gaps: ["memory"],
    },
    {
      what: "nothing where the primary refused what could not be copied",
      given: { hasRoom: false, ending: { ...answered, status: 404 } as SideEnding },
      gaps: [],
    },
    {
      what: "a refusal too where refusals are copied",
      given: {
        hasRoom: false,
        ending: { ...answered, status: 404 } as SideEnding,
        policy: { mirror4xx: true },
      },
      gaps: ["lag"],
    },
    {
      what: "nothing where a condition failed at the primary",
      given: {
        hasRoom: false,
        ending: { ...answered, status: 412 } as SideEnding,
        policy: { mirror4xx: true },
      },
      gaps: [],
    },
    {
      what: "nothing where the primary never got it",
      given: { hasRoom: false, ending: { kind: "failed", executed: "no", reason: "x" } as SideEnding },
      gaps: [],
    },
    {
      what: "an outcome that nobody knows",
      given: { hasRoom: false, ending: { kind: "failed", executed: "unknown", reason: "x" } as SideEnding },
      gaps: ["lag"],
    },
    { what: "nothing of a request that broke off", given: { body: "broken" as const }, gaps: [] },
  ]) {
    it(`records as gaps: ${what}`, async () => {
      const seen = await noted(given);
      expect(seen.gaps).to.deep.equal(gaps);
      expect([seen.record, seen.failures]).to.deep.equal([null, []]);
    });
  }

  it("tells of a failure that is none of the store's, and the node lives on", async () => {
    const { failures } = await noted({ failing: new TypeError("a fault") });
    expect(String(failures[0])).to.equal("TypeError: a fault");
  });
});
