import { setImmediate } from "node:timers/promises";
import { Problem } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { blankRecord, type ProcessRecord, StoreUnavailable } from "@sticky-proxy/core/process";
import type { MirrorPolicy } from "@sticky-proxy/core/registry";
import { pending, type OutboxEntry } from "@sticky-proxy/core/mirror";
import { type MirrorIntents, createMirrorIntents } from "./intents.ts";
import { type MemoryMirror, createManualClock, createMemoryMirror } from "@sticky-proxy/core/testing";

const policy = {
  to: "users-v2",
  mode: "dual-write",
  outbox: "best-effort",
  orderKey: null,
  maxLag: { entries: 2, bytes: 1000, ageMs: 60_000 },
} as unknown as MirrorPolicy;

const record = {
  ...blankRecord,
  partition: 1,
  scope: "s",
  epoch: 5,
  fence: 7,
  updatedAt: 900,
  principal: null,
  service: "users",
  route: "POST /",
  mirror: "pending",
} as ProcessRecord;
const request = {
  head: { method: "POST", path: "/users", query: null, headers: [] },
  key: null,
  body: Buffer.from("{}"),
};

describe("mirror intents", () => {
  let away: boolean;
  let beforeAppend: () => Promise<void>;
  let mirror: MemoryMirror;
  let told: string[];

  function intents(changed: Partial<MirrorPolicy> = {}): MirrorIntents {
    const outbox = {
      ...mirror,
      append: async (...args: Parameters<MemoryMirror["append"]>) => {
        await beforeAppend();
        if (away) throw new StoreUnavailable("away");
        return mirror.append(...args);
      },
    };
    return createMirrorIntents({
      outbox,
      policyOf: () => ({ ...policy, ...changed }),
      secret: "s",
      configVersion: () => "7",
      clock: createManualClock(1000),
      validForMs: 100,
      memory: () => ({ limit: null, share: null }),
      begin: () => () => undefined,
      marks: () => [["X-Mark", "1"]],
      onGap: (gap) => told.push(gap),
    });
  }
  async function coverage(): Promise<{ eligible: number; pending: number; entries: number }> {
    const [row] = await mirror.coverage({ since: null, service: null });
    const entries = (await mirror.lag()).get("users")?.entries ?? 0;
    return { eligible: row?.coverage.eligible ?? 0, pending: row ? pending(row.coverage) : 0, entries };
  }

  async function entries(): Promise<OutboxEntry[]> {
    const all = await Promise.all(
      Array.from({ length: 64 }, (_, p) => mirror.peek(p, { after: null, limit: 9 })),
    );
    return all.flatMap((peek) => peek.entries);
  }

  beforeEach(() => {
    away = false;
    beforeAppend = async () => undefined;
    told = [];
    mirror = createMemoryMirror({ now: () => 1000 });
  });

  it("are written with process, fence, key and configuration", async () => {
    const { marks, ensure } = await intents().beforeDispatch(record, request);
    await ensure();
    expect(marks).to.deep.equal([["X-Mark", "1"]]);
    const [entry, ...rest] = await entries();
    expect(rest).to.deep.equal([]);
    expect(entry).to.include({
      scope: "s",
      epoch: 5,
      fence: 7,
      service: "users",
      configVersion: "7",
      gap: null,
      dispatchedAt: 900,
    });
  });

  it("are not written for a process that is not to be mirrored", async () => {
    await intents().beforeDispatch({ ...record, mirror: null }, request);
    expect(await coverage()).to.deep.equal({ eligible: 0, pending: 0, entries: 0 });
  });

  it("that cannot be written are gaps: the call goes on, and on return the gap is in outbox and list", async () => {
    const writer = intents();
    away = true;
    const intent = await writer.beforeDispatch(record, request);
    expect(told).to.deep.equal([]);
    await intent.ensure();
    expect(told).to.deep.equal([]);
    await intent.close();
    expect(told).to.deep.equal(["gap"]);
    expect(writer.unwritten).to.equal(1);
    const failure = await writer.tick().catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(StoreUnavailable);
    expect(writer.unwritten).to.equal(1);
    away = false;
    await writer.tick();
    expect(writer.unwritten).to.equal(0);
    expect(await coverage()).to.deep.equal({ eligible: 1, pending: 1, entries: 1 });
    const gap = { service: "users", route: "POST /", reason: "gap", count: 1, from: 1000, to: 1000 };
    expect(await mirror.gaps({ limit: 9 })).to.deep.equal([gap]);
  });

  it("are not waited for before the dispatch, but before the answer is committed", async () => {
    const gate = Promise.withResolvers<void>();
    beforeAppend = () => gate.promise;
    const intent = await intents().beforeDispatch(record, request);
    let stands = false;
    const ensured = intent.ensure().then(() => (stands = true));
    await setImmediate();
    expect(stands).to.equal(false);
    gate.resolve();
    await ensured;
    expect(await entries()).to.have.length(1);
  });

  it("that are required are waited for before the dispatch", async () => {
    const gate = Promise.withResolvers<void>();
    beforeAppend = () => gate.promise;
    let dispatches = false;
    const begun = intents({ outbox: "required" })
      .beforeDispatch(record, request)
      .then(() => (dispatches = true));
    await setImmediate();
    expect(dispatches).to.equal(false);
    gate.resolve();
    await begun;
    expect(await entries()).to.have.length(1);
  });

  it("that the store did not take are written before the answer is committed, once", async () => {
    const writer = intents();
    away = true;
    const intent = await writer.beforeDispatch(record, request);
    await setImmediate();
    away = false;
    await intent.ensure();
    await intent.ensure();
    await intent.close();
    expect(told).to.deep.equal([]);
    expect(writer.unwritten).to.equal(0);
    expect(await coverage()).to.deep.equal({ eligible: 1, pending: 1, entries: 1 });
    expect(await entries()).to.have.length(1);
    expect((await entries())[0]).to.include({ fence: 7, gap: null });
  });

  it("that are required and cannot be written refuse the call before anything is sent", async () => {
    away = true;
    const refused = await intents({ outbox: "required" })
      .beforeDispatch(record, request)
      .catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(Problem);
    expect(refused).to.include({ slug: "store-unavailable", executed: "no" });
    expect(told).to.deep.equal([]);
  });

  it("that are missing for a finished process are written once, as a gap, while its key is quiet", async () => {
    const writer = intents();
    await writer.recover({ ...record, mirror: "done" }, request);
    expect(await coverage()).to.deep.equal({ eligible: 0, pending: 0, entries: 0 });
    await writer.recover(record, request);
    await writer.recover(record, request);
    expect(await coverage()).to.deep.equal({ eligible: 1, pending: 1, entries: 1 });
  });

  it("beyond the bound on the lag are gaps, told and counted at once, with a bound of their own", async () => {
    const writer = intents();
    await writer.beforeDispatch(record, request);
    await writer.beforeDispatch(record, request);
    await writer.tick();
    for (let i = 0; i < 5003; i++) await (await writer.beforeDispatch(record, request)).close();
    expect(told).to.have.length(5003).and.include("lag");
    await writer.tick();
    await writer.tick();
    expect(await mirror.gaps({ limit: 9 })).to.have.length(1);
    expect((await mirror.gaps({ limit: 9 }))[0]).to.include({ reason: "lag", count: 5000 });
    expect(writer.unwritten).to.equal(3);
    expect(await coverage()).to.deep.equal({ eligible: 5002, pending: 5002, entries: 5002 });
  });
});
