import { coverageWindow, parkedKeyName, type NewDifference } from "@sticky-proxy/core/mirror";
import { createManualClock, createMemoryMirror } from "@sticky-proxy/core/testing";
import { testDifference, testIntent } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { mirrorCoverage } from "./coverage.ts";
import {
  acknowledgeDifference,
  exportDifferences,
  groupDifferences,
  listDifferences,
  showDifference,
  type DifferenceFilter,
} from "./differences.ts";
import { listGaps, listParkedKeys, unparkKey } from "./outbox.ts";

const any: DifferenceFilter = {
  service: null,
  route: null,
  class: null,
  path: null,
  sinceMs: null,
  open: false,
};
const hourMs = 3_600_000;

function world() {
  const clock = createManualClock();
  const mirror = createMemoryMirror({ now: clock.now });
  const ports = { differences: mirror, outbox: mirror, clock };
  return {
    clock,
    mirror,
    ports,
    async observe(processId: string, more: Partial<NewDifference> = {}): Promise<void> {
      await mirror.observe({
        service: "users",
        route: "POST /",
        orderKey: testIntent("k").orderKey,
        outcome: "different",
        count: 1,
        isCounted: false,
        window: coverageWindow(clock.now()),
        difference: testDifference({ processId, ...more }),
        limits: { ttlMs: 100 * hourMs, maxDifferences: 1000 },
      });
      clock.advance(1);
    },
    async listed(filter: Partial<DifferenceFilter>): Promise<(string | null)[]> {
      const { items } = await listDifferences(ports, { ...any, ...filter }, { limit: 50, cursor: null });
      return items.map(({ processId }) => processId);
    },
  };
}

describe("operating the mirror", () => {
  it("differences are listed newest first by class, path, age and acknowledgement, page by page", async () => {
    const w = world();
    await w.observe("old");
    w.clock.advance(2 * hourMs);
    await w.observe("status", { class: "status", edits: [] });
    await w.observe("new");
    expect(await w.listed({})).to.deep.equal(["new", "status", "old"]);
    expect(await w.listed({ class: "body", path: "/0" })).to.deep.equal(["new", "old"]);
    expect(await w.listed({ sinceMs: hourMs })).to.deep.equal(["new", "status"]);
    const page = await listDifferences(w.ports, any, { limit: 2, cursor: null });
    const rest = await listDifferences(w.ports, any, { limit: 2, cursor: page.next });
    expect([page.items.length, rest.items.length, rest.next]).to.deep.equal([2, 1, null]);
    await acknowledgeDifference(w.ports, page.items[0]!.id, { by: "ann", note: "" });
    expect(await w.listed({ open: true })).to.deep.equal(["status", "old"]);
  });

  it("an acknowledgement keeps the first name and note, and needs a difference", async () => {
    const w = world();
    await w.observe("p");
    const { items } = await listDifferences(w.ports, any, { limit: 1, cursor: null });
    const { id } = items[0]!;
    await acknowledgeDifference(w.ports, id, { by: "ann", note: "known" });
    const again = await acknowledgeDifference(w.ports, id, { by: "bob", note: "" });
    expect(again!.acknowledged).to.include({ by: "ann", note: "known" });
    expect(await showDifference(w.ports, id)).to.deep.equal(again);
    expect(await showDifference(w.ports, "1.2")).to.equal(null);
    expect(await acknowledgeDifference(w.ports, "1.2", { by: "bob", note: "" })).to.equal(null);
  });

  it("an export reads every page once, with the bound of its start", async () => {
    const w = world();
    for (let i = 0; i < 450; i += 1) await w.observe(`p${i}`);
    const ids: (string | null)[] = [];
    for await (const { processId } of exportDifferences(w.ports, { ...any, sinceMs: hourMs })) {
      if (ids.length === 0) w.clock.advance(2 * hourMs);
      ids.push(processId);
    }
    expect(ids).to.deep.equal(Array.from({ length: 450 }, (_, i) => `p${449 - i}`));
  });

  it("groups and coverage count what is not older than the span", async () => {
    const w = world();
    await w.observe("old");
    w.clock.advance(5 * hourMs);
    await w.observe("new");
    const counts = async (sinceMs: number | null) => {
      const groups = await groupDifferences(w.ports, { sinceMs });
      const rows = await mirrorCoverage(w.ports, { sinceMs, service: "users" });
      return [groups[0]!.count, rows[0]!.coverage.different];
    };
    expect(await counts(null)).to.deep.equal([2, 2]);
    expect(await counts(hourMs)).to.deep.equal([1, 1]);
    expect(await mirrorCoverage(w.ports, { sinceMs: null, service: "other" })).to.deep.equal([]);
  });

  it("a parked key is unparked by the name that its view shows", async () => {
    const w = world();
    const intent = testIntent("x");
    await w.mirror.append(intent, { validUntil: null });
    const partitions = Array.from({ length: w.mirror.partitions }, (_, partition) => partition);
    const heads = await Promise.all(partitions.map((p) => w.mirror.peek(p, { after: null, limit: 1 })));
    const partition = heads.findIndex(({ entries }) => entries.length > 0);
    const owner = await w.mirror.claim(partition);
    await w.mirror.park(partition, owner, intent.orderKey, heads[partition]!.entries, {
      service: "users",
      reason: "stopped",
      inMs: null,
      error: "",
      attempts: 3,
    });
    const [key] = await listParkedKeys(w.ports, { limit: 9 });
    expect(key!.nextAt).to.equal(null);
    expect(await unparkKey(w.ports, parkedKeyName(key!))).to.equal("unparked");
    expect((await listParkedKeys(w.ports, { limit: 9 }))[0]!.nextAt).to.equal(w.clock.now());
    expect(await unparkKey(w.ports, `0.${"x".repeat(22)}`)).to.equal("not-parked");
    expect(await unparkKey(w.ports, "nonsense")).to.equal("invalid-name");
  });

  it("gaps are listed newest first, at most as many as asked for", async () => {
    const w = world();
    for (const from of [1, 2, 3])
      await w.mirror.noteGap({ service: "users", route: "r", reason: "gap", count: 1, from, to: from }, 1);
    expect((await listGaps(w.ports, { limit: 2 })).map(({ from }) => from)).to.deep.equal([3, 2]);
  });
});
