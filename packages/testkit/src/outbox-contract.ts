/** Contract of the outbox port, for the memory store and for Redis. */
import { asFence, asScope } from "@sticky-proxy/protocol";
import {
  type CoverageOutcome,
  type Differences,
  type Intent,
  type NewDifference,
  type Outbox,
  type OutboxEntry,
  type Settlement,
  coverageWindow,
  orderKeyPartition,
  pending,
  settled,
} from "@sticky-proxy/core/mirror";
import { expect } from "chai";

export interface MirrorUnderTest {
  readonly outbox: Outbox;
  readonly differences: Differences;
  close(): Promise<void>;
}

export const mirrorLimits = { ttlMs: 60_000, maxDifferences: 100 };

/** An intent with the order key of `name`. */
export function testIntent(name: string, more: Partial<Intent> = {}): Intent {
  return {
    partition: 0,
    scope: asScope(`scope-${name}`),
    epoch: asFence(1),
    fence: asFence(1),
    service: "users",
    route: "POST /",
    orderKey: Buffer.from(name.padEnd(16, "-")).toString("base64url").slice(0, 22),
    after: [],
    configVersion: "1",
    bodyBytes: 10,
    window: coverageWindow(Date.now()),
    gap: null,
    dispatchedAt: 1000,
    ...more,
  };
}

export function testDifference(more: Partial<NewDifference> = {}): NewDifference {
  const side = { instance: null, status: 200, latencyMs: 1, bodySha256: null, bodyBytes: 2, error: null };
  return {
    processId: "1.x.1",
    service: "users",
    secondary: "users-v2",
    route: "POST /",
    operation: "POST /users",
    orderKey: testIntent("k").orderKey,
    configVersion: "1",
    class: "body",
    sides: { primary: side, secondary: side },
    edits: [{ part: "body", path: "/0/name", kind: "changed", primary: '"a"', secondary: '"b"' }],
    truncated: false,
    masked: 0,
    attempts: 1,
    concurrent: false,
    acknowledged: null,
    ...more,
  } as NewDifference;
}

export function asSettlement(outcome: CoverageOutcome, more: Partial<Settlement> = {}): Settlement {
  return { outcome, difference: null, diverged: false, endedAt: null, limits: mirrorLimits, ...more };
}

export function describeOutboxContract(name: string, open: () => Promise<MirrorUnderTest>): void {
  describe(`outbox contract: ${name}`, () => {
    let mirror: MirrorUnderTest;
    let outbox: Outbox;

    beforeEach(async () => {
      mirror = await open();
      outbox = mirror.outbox;
    });
    afterEach(() => mirror.close());

    const placeOf = (intent: Intent): number => orderKeyPartition(intent.orderKey, outbox.partitions);

    async function added(...intents: Intent[]): Promise<OutboxEntry[]> {
      for (const intent of intents) {
        expect(await outbox.append(intent, { validUntil: null })).to.equal("appended");
      }
      return (await outbox.peek(placeOf(intents[0]!), { after: null, limit: 100 })).entries.slice();
    }
    async function expectSum(): Promise<void> {
      let open = 0;
      for (const { coverage } of await mirror.differences.coverage({ since: null, service: null })) {
        expect(pending(coverage)).to.be.at.least(0);
        expect(coverage.eligible).to.equal(settled(coverage) + pending(coverage));
        open += pending(coverage);
      }
      let entries = 0;
      for (const lag of (await outbox.lag()).values()) entries += lag.entries;
      expect(open).to.be.at.most(entries);
    }

    it("returns intents in the order in which they were appended", async () => {
      const intents = [1, 2, 3].map((fence) => testIntent("a", { fence }));
      const entries = await added(...intents);
      expect(entries.map((entry) => entry.fence)).to.deep.equal([1, 2, 3]);
      expect(entries[0]).to.deep.include(intents[0]);
      const rest = await outbox.peek(placeOf(intents[0]!), { after: entries[0]!.entryId, limit: 1 });
      expect(rest.entries.map((entry) => entry.fence)).to.deep.equal([2]);
      expect(rest.now).to.be.at.least(entries[2]!.at);
    });

    it("an append after its time limit has no effect", async () => {
      const intent = testIntent("a");
      expect(await outbox.append(intent, { validUntil: 1 })).to.equal("late");
      expect((await outbox.peek(placeOf(intent), { after: null, limit: 1 })).entries).to.deep.equal([]);
      expect(await mirror.differences.coverage({ since: null, service: null })).to.deep.equal([]);
    });

    it("O1: an outcome is counted once, and the first one counts", async () => {
      const [entry] = await added(testIntent("a"));
      const p = placeOf(entry!);
      const owner = await outbox.claim(p);
      expect(await outbox.settledAs(p, entry!.entryId)).to.equal(null);
      expect(await outbox.settle(p, owner, entry!, asSettlement("matched"))).to.equal("settled");
      expect(await outbox.settle(p, owner, entry!, asSettlement("different"))).to.equal("known");
      expect(await outbox.settledAs(p, entry!.entryId)).to.equal("matched");
      const [row] = await mirror.differences.coverage({ since: null, service: "users" });
      expect(row!.coverage).to.include({ eligible: 1, matched: 1, different: 0 });
      await expectSum();
    });

    it("O2: only a settled entry is removed", async () => {
      const [entry] = await added(testIntent("a"));
      const p = placeOf(entry!);
      const owner = await outbox.claim(p);
      expect(await outbox.ack(p, owner, entry!)).to.equal("unsettled");
      await outbox.settle(p, owner, entry!, asSettlement("matched"));
      expect(await outbox.ack(p, owner, entry!)).to.equal("acked");
      expect((await outbox.peek(p, { after: null, limit: 1 })).entries).to.deep.equal([]);
      expect(await outbox.keyState(p, entry!.orderKey)).to.include({ pending: 0, parked: false });
      expect((await outbox.lag()).get("users")?.entries ?? 0).to.equal(0);
    });

    it("O3: a former owner can neither settle, ack nor park", async () => {
      const [entry] = await added(testIntent("a"));
      const p = placeOf(entry!);
      const late = await outbox.claim(p);
      const owner = await outbox.claim(p);
      expect(owner).to.be.greaterThan(late);
      const parking = { service: "users", reason: "no-answer", inMs: 0, error: "x", attempts: 1 } as const;
      expect(await outbox.settle(p, late, entry!, asSettlement("matched"))).to.equal("lost");
      expect(await outbox.ack(p, late, entry!)).to.equal("lost");
      expect(await outbox.park(p, late, entry!.orderKey, [entry!], parking)).to.equal("lost");
      expect(await outbox.settle(p, owner, entry!, asSettlement("matched"))).to.equal("settled");
    });

    it("O4: a parked key's intents leave the stream, keep their order and become due", async () => {
      const key = testIntent("a").orderKey;
      const entries = await added(
        testIntent("a"),
        testIntent("a", { fence: 2 }),
        testIntent("a", { fence: 3 }),
      );
      const p = placeOf(entries[0]!);
      const owner = await outbox.claim(p);
      const parking = {
        service: "users",
        reason: "no-answer",
        error: "connection_refused",
        attempts: 1,
      } as const;
      await outbox.park(p, owner, key, entries.slice(0, 2), { ...parking, inMs: 60_000 });
      expect(
        (await outbox.peek(p, { after: null, limit: 9 })).entries.map((entry) => entry.fence),
      ).to.deep.equal([3]);
      expect((await outbox.peek(p, { after: null, limit: 9 })).due).to.deep.equal([]);
      await outbox.park(p, owner, key, [entries[2]!], null);
      expect((await outbox.peek(p, { after: null, limit: 9 })).entries).to.deep.equal([]);
      await outbox.park(p, owner, key, [], { ...parking, inMs: 0, attempts: 2 });
      expect((await outbox.peek(p, { after: null, limit: 9 })).due).to.deep.equal([key]);

      for (const fence of [1, 2, 3]) {
        const parked = await outbox.parkedHead(p, key);
        expect(parked!.head!.fence).to.equal(fence);
        expect(parked!.next?.fence).to.equal(fence === 3 ? undefined : fence + 1);
        expect(parked!.key).to.include({
          service: "users",
          entries: 4 - fence,
          attempts: fence === 1 ? 2 : 0,
        });
        await expectSum();
        await outbox.settle(p, owner, parked!.head!, asSettlement("matched"));
        expect(await outbox.ack(p, owner, parked!.head!)).to.equal("acked");
      }
      expect(await outbox.parkedHead(p, key)).to.equal(null);
      expect(await outbox.parkedKeys({ limit: 9 })).to.deep.equal([]);
      expect((await outbox.lag()).get("users")?.parkedKeys ?? 0).to.equal(0);
    });

    it("a stopped key waits for an operator, whose unpark restarts its age", async () => {
      const [entry] = await added(testIntent("a"));
      const p = placeOf(entry!);
      const owner = await outbox.claim(p);
      const parking = {
        service: "users",
        reason: "stopped",
        inMs: null,
        error: "too old",
        attempts: 7,
      } as const;
      await outbox.park(p, owner, entry!.orderKey, [entry!], parking);
      const [parked] = await outbox.parkedKeys({ limit: 9 });
      expect(parked).to.include({
        reason: "stopped",
        nextAt: null,
        entries: 1,
        error: "too old",
        ageFrom: null,
      });
      expect((await outbox.peek(p, { after: null, limit: 9 })).due).to.deep.equal([]);
      expect(await outbox.unpark(p, entry!.orderKey)).to.equal("unparked");
      expect((await outbox.peek(p, { after: null, limit: 9 })).due).to.deep.equal([entry!.orderKey]);
      expect((await outbox.parkedHead(p, entry!.orderKey))!.key.ageFrom).to.be.a("number");
      expect(await outbox.unpark(p, testIntent("other").orderKey)).to.equal("not-parked");
    });

    it("an operator drops the first copy of a stopped key, and no other", async () => {
      const [first, second] = await added(testIntent("a"), testIntent("a", { fence: 2 }));
      const p = placeOf(first!);
      const { orderKey } = first!;
      const owner = await outbox.claim(p);
      const word = { by: "ann", why: "never valid" };
      expect(await outbox.skip(p, orderKey, word)).to.equal("not-parked");
      const parking = { service: "users", reason: "stopped", inMs: null, error: "400", attempts: 1 } as const;
      await outbox.park(p, owner, orderKey, [first!, second!], parking);
      expect((await outbox.parkedHead(p, orderKey))!.key.skip).to.equal(null);
      expect(await outbox.skip(p, orderKey, word)).to.equal("skipped");
      expect((await outbox.peek(p, { after: null, limit: 9 })).due).to.deep.equal([orderKey]);
      expect((await outbox.parkedHead(p, orderKey))!.key.skip).to.deep.equal({
        entryId: first!.entryId,
        ...word,
      });
      await outbox.settle(p, owner, first!, asSettlement("skipped:operator"));
      await outbox.ack(p, owner, first!);
      const next = await outbox.parkedHead(p, orderKey);
      expect([next!.head!.entryId, next!.key.skip]).to.deep.equal([second!.entryId, null]);
    });

    it("a key stores its pending intents, its last end at the primary and whether it diverged", async () => {
      const entries = await added(testIntent("a"), testIntent("a", { fence: 2 }));
      const p = placeOf(entries[0]!);
      const owner = await outbox.claim(p);
      await outbox.settle(
        p,
        owner,
        entries[0]!,
        asSettlement("skipped:primary-unknown", { diverged: true, endedAt: 5000 }),
      );
      await outbox.ack(p, owner, entries[0]!);
      expect(await outbox.keyState(p, entries[0]!.orderKey)).to.deep.equal({
        pending: 1,
        // In order: the remaining intent is newer than the settled one.
        pendingFrom: entries[0]!.at,
        parked: false,
        diverged: true,
        lastEndedAt: 5000,
      });
      await outbox.settle(p, owner, entries[1]!, asSettlement("matched", { endedAt: 4000 }));
      expect((await outbox.keyState(p, entries[0]!.orderKey)).lastEndedAt).to.equal(5000);
      await outbox.ack(p, owner, entries[1]!);
      expect(await outbox.keyState(p, entries[0]!.orderKey)).to.include({ pending: 0, pendingFrom: null });
      const [again] = await added(testIntent("a", { fence: 3 }));
      expect((await outbox.keyState(p, again!.orderKey)).pendingFrom).to.equal(again!.at);
    });

    it("an intent without a body is removed like any other", async () => {
      const [entry] = await added(testIntent("a", { bodyBytes: 0 }));
      const p = placeOf(entry!);
      const owner = await outbox.claim(p);
      await outbox.settle(p, owner, entry!, asSettlement("matched"));
      expect(await outbox.ack(p, owner, entry!)).to.equal("acked");
      expect(await outbox.keyState(p, entry!.orderKey)).to.include({ pending: 0 });
      const lag = (await outbox.lag()).get("users");
      expect([lag?.entries ?? 0, lag?.bytes ?? 0]).to.deep.equal([0, 0]);
    });

    it("the lag counts entries, bytes and parked keys per service, with the oldest entry", async () => {
      const entries = await added(testIntent("a", { bodyBytes: 100 }), testIntent("a", { bodyBytes: 11 }));
      await outbox.append(testIntent("b", { service: "orders" }), { validUntil: null });
      const p = placeOf(entries[0]!);
      const owner = await outbox.claim(p);
      const parking = { service: "users", reason: "waiting", inMs: 60_000, error: "", attempts: 0 } as const;
      await outbox.park(p, owner, entries[0]!.orderKey, [entries[0]!], parking);
      const lag = await outbox.lag();
      expect(lag.get("users")).to.include({ entries: 2, bytes: 111, parkedKeys: 1 });
      expect(lag.get("users")!.oldestMs).to.be.at.least(0);
      expect(lag.get("orders")).to.include({ entries: 1, bytes: 10, parkedKeys: 0 });
    });

    it("a gap is listed, and a call without an intent counts as eligible and skipped at once", async () => {
      const now = Date.now();
      const gap = {
        service: "users",
        route: "POST /",
        reason: "gap",
        count: 3,
        from: now - 10,
        to: now,
      } as const;
      await outbox.noteGap(gap, 3);
      expect(await outbox.gaps({ limit: 9 })).to.deep.equal([gap]);
      const [row] = await mirror.differences.coverage({ since: null, service: null });
      expect(row!.coverage.eligible).to.equal(3);
      expect(row!.coverage.skipped.get("gap")).to.equal(3);
      await expectSum();
    });
  });
}
