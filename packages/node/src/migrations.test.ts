import type { MigrationReading, Migrations, NodeView } from "@sticky-proxy/core/mirror";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import { createManualClock, testRoute, testService } from "@sticky-proxy/core/testing";
import type { Forwarder, ForwardRequest, UpstreamOutcome } from "@sticky-proxy/upstream";
import { expect } from "chai";
import { createNodeMigrations } from "./migrations.ts";

const policy = { to: "b", maxDifferenceRate: 0, minCompared: 1, barrierMs: 3000 };
const a = testService({ name: "a", migration: policy, routes: [testRoute()] });
const b = testService({ name: "b", match: { host: "", path: "/" } });
const second: MigrationReading["state"] = { epoch: 1, authority: "second", phase: "dual-write", since: 1 };

describe("a node's view of the migrations", () => {
  let reading: MigrationReading;
  let away: boolean;
  let said: Omit<NodeView, "ageMs">[];
  let answers: (() => void)[];

  function world() {
    const clock = createManualClock(0);
    const migrations = {
      read: async () => {
        if (away) throw new StoreUnavailable("away");
        return reading;
      },
      report: async (_service: string, view: Omit<NodeView, "ageMs">) => void said.push(view),
    } as unknown as Migrations;
    const node = createNodeMigrations({ migrations, configured: () => configured, node: "n", clock });
    const configured = [a, b];
    const forwarder = node.guard<Forwarder>({
      forward: () =>
        new Promise((resolve) => answers.push(() => resolve({ kind: "responded" } as UpstreamOutcome))),
      close: async () => undefined,
    });
    const send = (method: string, service = node.services()[0]!): Promise<UpstreamOutcome> =>
      forwarder.forward({ service, head: { method } } as ForwardRequest);
    return { clock, node, send };
  }
  const slugOf = (outcome: UpstreamOutcome): string =>
    outcome.kind === "failed" ? `${outcome.slug} ${outcome.executed}` : outcome.kind;

  beforeEach(() => {
    reading = { state: null, barrier: null };
    away = false;
    said = [];
    answers = [];
  });

  it("a write before the first look, or with a view that is too old, is refused as not sent; a read goes on", async () => {
    const { clock, node, send } = world();
    expect(slugOf(await send("POST"))).to.equal("store-unavailable no");
    await node.refresh();
    away = true;
    clock.advance(900);
    await node.refresh().catch(() => undefined);
    void send("POST");
    expect(answers).to.have.length(1);
    clock.advance(200);
    expect(slugOf(await send("POST"))).to.equal("store-unavailable no");
    void send("GET");
    expect(answers).to.have.length(2);
  });

  it("latest resolves after a look that began after the call, and callers share it", async () => {
    const { node } = world();
    const first = node.latest();
    const shared = node.latest();
    await first;
    await shared;
    expect(said).to.have.length(1);
    reading = { state: second, barrier: null };
    const [early, late] = [node.latest(), Promise.resolve().then(() => node.latest())];
    await early;
    expect(node.services()[0]!.instances).to.deep.equal(b.instances);
    await late;
    away = true;
    const refused = await node.latest().catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(StoreUnavailable);
    away = false;
    await node.latest();
  });

  it("a write waits while a barrier stands, which falls by itself", async () => {
    const { clock, node, send } = world();
    reading = { state: null, barrier: { token: "t", remainingMs: 800 } };
    await node.refresh();
    expect(slugOf(await send("PUT"))).to.equal("switching no");
    expect(node.holdOf(node.services()[0]!, "PUT")).to.equal("barrier");
    expect(node.holdOf(node.services()[0]!, "GET")).to.equal(null);
    clock.advance(800);
    expect(node.holdOf(node.services()[0]!, "PUT")).to.equal(null);
  });

  it("a write that was matched under another authority is refused as not sent", async () => {
    const { node, send } = world();
    await node.refresh();
    const before = node.services()[0]!;
    reading = { state: second, barrier: null };
    await node.refresh();
    expect(slugOf(await send("POST", before))).to.equal("switching no");
    void send("POST");
    expect(answers).to.have.length(1);
    expect(node.services()[0]!.instances).to.deep.equal(b.instances);
  });

  it("tells what is under way, and which barrier it obeys", async () => {
    const { node, send } = world();
    let unwritten = 0;
    node.alsoCount(() => unwritten);
    await node.refresh();
    const sent = send("POST");
    const end = node.begin("a");
    unwritten = 2;
    reading = { state: null, barrier: { token: "t", remainingMs: 800 } };
    await node.refresh();
    expect(said.at(-1)).to.deep.equal({ node: "n", barrier: "t", writes: 4 });
    answers[0]!();
    await sent;
    end();
    end();
    unwritten = 0;
    await node.refresh();
    expect(said.at(-1)).to.deep.equal({ node: "n", barrier: "t", writes: 0 });
  });
});
