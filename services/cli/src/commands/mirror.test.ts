import { createMemoryIdMap, createMemoryMirror, type MemoryMirror } from "@sticky-proxy/core/testing";
import { coverageWindow, type NewDifference } from "@sticky-proxy/core/mirror";
import { testDifference, testIntent } from "@sticky-proxy/testkit";
import { systemClock } from "@sticky-proxy/runtime";
import { expect } from "chai";
import { actWith } from "../connections/audit.ts";
import { createMemoryAudit } from "../testing.ts";
import { parseFlags, UsageError } from "../command.ts";
import { command, mirrorFlags, runMirror } from "./mirror.ts";

describe("sticky-proxy mirror", () => {
  let mirror: MemoryMirror;
  let out: string[];
  let err: string[];

  const io = { out: (line: string) => out.push(line), err: (line: string) => err.push(line), env: {} };

  async function run(...args: string[]): Promise<number> {
    out = [];
    err = [];
    const parsed = parseFlags(args, mirrorFlags, { maxWords: 3 });
    const ports = {
      outbox: mirror,
      differences: mirror,
      ids: createMemoryIdMap(),
      chain: { verify: async () => [] },
      clock: systemClock,
    };
    return runMirror(
      { mirror: ports, act: actWith(createMemoryAudit()), moving: null as never },
      parsed,
      io as never,
    );
  }
  async function observe(more: Partial<NewDifference> = {}): Promise<void> {
    await mirror.observe({
      service: "users",
      route: "POST /",
      orderKey: testIntent("k").orderKey,
      outcome: "different",
      count: 1,
      isCounted: false,
      window: coverageWindow(Date.now()),
      difference: testDifference(more),
      limits: { ttlMs: 60_000, maxDifferences: 9 },
    });
  }

  beforeEach(() => {
    mirror = createMemoryMirror({ now: () => Date.now() });
  });

  it("mirror differences prints lines with the coverage, or JSON", async () => {
    await observe();
    expect(await run("differences")).to.equal(0);
    expect(out[1]).to.match(/body .*\/0\/name "a" \/ "b"/);
    expect(err).to.deep.equal(["users POST /: 1 of 1 compared, 0 pending"]);
    await run("differences", "--json", "--class", "status");
    expect(JSON.parse(out[0]!)).to.deep.equal({ differences: [], next: null });
  });

  it("mirror ack records name and note, and an acknowledged difference is listed with --all only", async () => {
    await observe();
    await run("differences", "--json");
    const { id } = (JSON.parse(out[0]!) as { differences: [{ id: string }] }).differences[0];
    expect(await run("show", id, "--json")).to.equal(0);
    expect(JSON.parse(out[0]!)).to.deep.include({ id, class: "body" });
    expect(await run("ack", id, "--by", "ann", "--note", "known", "--json")).to.equal(0);
    expect(JSON.parse(out[0]!)).to.have.nested.property("acknowledged.by", "ann");
    await run("differences", "--json");
    expect(JSON.parse(out[0]!)).to.deep.include({ differences: [] });
    await run("differences", "--json", "--all");
    expect((JSON.parse(out[0]!) as { differences: unknown[] }).differences).to.have.length(1);
    expect(await run("show", "1.2")).to.equal(1);
  });

  it("mirror export prints one JSON object per line", async () => {
    for (let i = 0; i < 3; i++) await observe({ processId: `p${i}` });
    await run("export");
    expect(out.map((line) => (JSON.parse(line) as { processId: string }).processId)).to.deep.equal([
      "p2",
      "p1",
      "p0",
    ]);
  });

  it("mirror groups and mirror coverage print counts that add up", async () => {
    await observe();
    await mirror.append(testIntent("x"), { validUntil: null });
    await run("groups", "--json");
    expect(JSON.parse(out[0]!)).to.have.nested.property("groups[0].path", "/*/name");
    await run("coverage", "--json");
    const [row] = (JSON.parse(out[0]!) as { coverage: [Record<string, number>] }).coverage;
    expect(row).to.include({ eligible: 2, different: 1, pending: 1 });
    await run("coverage");
    expect(out).to.have.length(2);
  });

  it("mirror parked prints names that mirror unpark takes, and mirror gaps prints gaps", async () => {
    const intent = testIntent("x");
    await mirror.append(intent, { validUntil: null });
    const all = await Promise.all(
      Array.from({ length: 64 }, (_, p) => mirror.peek(p, { after: null, limit: 1 })),
    );
    const partition = all.findIndex(({ entries }) => entries.length > 0);
    const owner = await mirror.claim(partition);
    const parking = {
      service: "users",
      reason: "stopped",
      inMs: null,
      error: "too old",
      attempts: 3,
    } as const;
    await mirror.park(partition, owner, intent.orderKey, all[partition]!.entries, parking);
    await run("parked", "--json");
    const { key } = (JSON.parse(out[0]!) as { parked: [{ key: string }] }).parked[0];
    await run("parked");
    expect(out[1]).to.contain("stopped").and.contain("never");
    expect(await run("unpark", key)).to.equal(0);
    expect((await mirror.parkedKeys({ limit: 1 }))[0]!.nextAt).to.be.a("number");
    expect(await run("unpark", `0.${"x".repeat(22)}`)).to.equal(1);
    await mirror.noteGap({ service: "users", route: "POST /", reason: "gap", count: 2, from: 1, to: 2 }, 2);
    await run("gaps", "--json");
    expect(JSON.parse(out[0]!)).to.have.nested.property("gaps[0].count", 2);
  });

  it("an unknown action, a missing or surplus word and an unknown class are usage errors", async () => {
    for (const args of [
      [],
      ["nonsense"],
      ["show"],
      ["differences", "x"],
      ["unpark", "x"],
      ["differences", "--class", "x"],
    ]) {
      const failure = await run(...args).catch((error: unknown) => error);
      expect(failure, args.join(" ")).to.be.instanceOf(UsageError);
    }
    expect(command.usage).to.contain("mirror coverage");
  });
});
