/** Contract of the differences port, for the memory store and for Redis. */
import {
  type CoverageOutcome,
  type Intent,
  type NewDifference,
  coverageWindow,
  orderKeyPartition,
  pending,
} from "@sticky-proxy/core/mirror";
import { InvalidCursor } from "@sticky-proxy/core/process";
import { expect } from "chai";
import {
  type MirrorUnderTest,
  asSettlement,
  mirrorLimits as limits,
  testDifference,
  testIntent,
} from "./outbox-contract.ts";

export function describeDifferencesContract(name: string, open: () => Promise<MirrorUnderTest>): void {
  describe(`differences contract: ${name}`, () => {
    let mirror: MirrorUnderTest;
    beforeEach(async () => {
      mirror = await open();
    });
    afterEach(() => mirror.close());

    const placeOf = (intent: Intent): number => orderKeyPartition(intent.orderKey, mirror.outbox.partitions);
    const observed = (difference: NewDifference | null, more: object = {}) => ({
      service: "users",
      route: "POST /",
      orderKey: testIntent("k").orderKey,
      outcome: "different" as CoverageOutcome,
      count: 1,
      isCounted: false,
      window: coverageWindow(Date.now()),
      difference,
      limits,
      ...more,
    });
    const everything = {
      service: null,
      route: null,
      class: null,
      path: null,
      since: null,
      open: false,
      limit: 100,
      cursor: null,
    };

    it("a cursor that did not come from a page before is refused, not read as the first page", async () => {
      for (const cursor of ["x", "1", "1.2.3.x", "newest"])
        expect(
          await mirror.differences.list({ ...everything, cursor }).catch((error: unknown) => error),
          cursor,
        ).to.be.instanceOf(InvalidCursor);
    });

    it("are listed newest first, shown by id, and paged without loss or repetition", async () => {
      for (let i = 0; i < 7; i++) {
        const orderKey = testIntent(`key${i % 3}`).orderKey;
        await mirror.differences.observe(observed(testDifference({ processId: `p${i}` }), { orderKey }));
      }
      const all = await mirror.differences.list(everything);
      expect(all.next).to.equal(null);
      expect(all.items.map((item) => item.at)).to.deep.equal(
        all.items.map((item) => item.at).toSorted((a, b) => b - a),
      );
      const paged: string[] = [];
      for (let cursor: string | null = null, page = 0; page < 9; page++) {
        const found = await mirror.differences.list({ ...everything, limit: 2, cursor });
        paged.push(...found.items.map((item) => item.id));
        if (found.next === null) break;
        cursor = found.next;
      }
      expect(paged).to.deep.equal(all.items.map((item) => item.id));
      expect(await mirror.differences.show(all.items[0]!.id)).to.deep.equal(all.items[0]);
      for (const id of ["", "x", "1.2", "999999.1", "1.1e9", "*"]) {
        expect(await mirror.differences.show(id), id).to.equal(null);
      }
    });

    it("differences are found by service, route, class, path and time", async () => {
      await mirror.differences.observe(observed(testDifference()));
      await mirror.differences.observe(observed(testDifference({ class: "status", edits: [] })));
      await mirror.differences.observe(
        observed(testDifference({ service: "orders" }), { service: "orders" }),
      );
      const count = async (query: object): Promise<number> =>
        (await mirror.differences.list({ ...everything, ...query })).items.length;
      expect(await count({})).to.equal(3);
      expect(await count({ service: "orders" })).to.equal(1);
      expect(await count({ class: "status" })).to.equal(1);
      expect(await count({ path: "/0" })).to.equal(2);
      expect(await count({ path: "/9" })).to.equal(0);
      expect(await count({ route: "GET /" })).to.equal(0);
      expect(await count({ since: Date.now() + 60_000 })).to.equal(0);
    });

    it("a difference is acknowledged once, by a named person", async () => {
      await mirror.differences.observe(observed(testDifference()));
      const [one] = (await mirror.differences.list(everything)).items;
      const noted = await mirror.differences.acknowledge(one!.id, "ann", "known");
      expect(noted!.acknowledged).to.include({ by: "ann", note: "known" });
      expect((await mirror.differences.acknowledge(one!.id, "bob", "again"))!.acknowledged!.by).to.equal(
        "ann",
      );
      expect((await mirror.differences.list({ ...everything, open: true })).items).to.deep.equal([]);
      expect(await mirror.differences.acknowledge("3.17", "ann", "")).to.equal(null);
    });

    it("above the limit the oldest differences are removed, and the sums stay", async () => {
      for (let i = 0; i < 5; i++) {
        await mirror.differences.observe(
          observed(testDifference({ processId: `p${i}` }), {
            limits: { ttlMs: 60_000, maxDifferences: 3 },
          }),
        );
      }
      const left = (await mirror.differences.list(everything)).items;
      expect(left.map((item) => item.processId)).to.deep.equal(["p4", "p3", "p2"]);
      const [group] = await mirror.differences.groups({ since: null });
      expect(group).to.deep.equal({
        service: "users",
        route: "POST /",
        class: "body",
        path: "/*/name",
        count: 5,
      });
    });

    it("a difference is removed after its TTL", async () => {
      await mirror.differences.observe(
        observed(testDifference(), { limits: { ttlMs: 0, maxDifferences: 3 } }),
      );
      expect((await mirror.differences.list(everything)).items).to.deep.equal([]);
      await mirror.outbox.tidy(placeOf(testIntent("k")));
    });

    it("a difference is written together with the outcome of its entry", async () => {
      const outbox = mirror.outbox;
      await outbox.append(testIntent("a"), { validUntil: null });
      const p = placeOf(testIntent("a"));
      const [entry] = (await outbox.peek(p, { after: null, limit: 1 })).entries;
      const owner = await outbox.claim(p);
      await outbox.settle(
        p,
        owner,
        entry!,
        asSettlement("different", { difference: testDifference({ attempts: 4 }) }),
      );
      await outbox.settle(
        p,
        owner,
        entry!,
        asSettlement("different", { difference: testDifference({ attempts: 5 }) }),
      );
      const { items } = await mirror.differences.list(everything);
      expect(items.map((item) => item.attempts)).to.deep.equal([4]);
    });

    it("an observation counts as eligible and settled at once", async () => {
      await mirror.differences.observe(observed(null, { outcome: "matched" }));
      await mirror.differences.observe(observed(null, { outcome: "skipped:shed", count: 5 }));
      const [row] = await mirror.differences.coverage({ since: Date.now(), service: "users" });
      expect(row!.coverage).to.include({ eligible: 6, matched: 1 });
      expect(pending(row!.coverage)).to.equal(0);
    });
  });
}
