import { allServices, type Changes } from "@sticky-proxy/core/series";
import { expect } from "chai";
import { createMetrics, type Metrics } from "../metrics.ts";
import { createSeriesRecorder } from "./recorder.ts";

interface Added {
  readonly writer: string;
  readonly start: number;
  readonly changes: Changes;
}

function world() {
  const metrics: Metrics = createMetrics({
    version: "1",
    node: "n",
    configHash: "",
    services: ["pay", "shop"],
    routes: [{ service: "pay", route: "r" }],
  });
  const added: Added[] = [];
  const state = { isAway: false };
  const store = {
    add(writer: string, start: number, changes: Changes): Promise<void> {
      if (state.isAway) return Promise.reject(new Error("away"));
      added.push({ writer, start, changes });
      return Promise.resolve();
    },
  };
  const request = (service: string, seconds: number, status_class: "2xx" | "5xx" = "2xx"): void =>
    metrics.httpRequestDuration.observe({ service, route: "r", method: "POST", status_class }, seconds);
  return { metrics, added, store, state, request, recorder: createSeriesRecorder(metrics) };
}

const of = ({ changes }: Added, service: string): Record<string, number> =>
  Object.fromEntries(changes.get(service) ?? []);

describe("the recorder of time series", () => {
  it("writes a bucket once, when it has ended, with what was counted since the last one", async () => {
    const { recorder, store, added, request } = world();
    request("pay", 0.004);
    await recorder.tick(store, 10_000);
    await recorder.tick(store, 19_999);
    expect(added).to.deep.equal([]);
    await recorder.tick(store, 20_000);
    await recorder.tick(store, 20_500);
    request("pay", 0.2, "5xx");
    await recorder.tick(store, 30_100);
    expect(added.map(({ start }) => start)).to.deep.equal([10_000, 20_000]);
    expect(of(added[0]!, "pay")).to.deep.equal({ "http:2xx": 1, t0: 1 });
    expect(of(added[1]!, "pay")).to.deep.equal({ "http:5xx": 1, t6: 1 });
  });

  it("every service together is the sum, and the greatest lag", async () => {
    const { recorder, store, added, request, metrics } = world();
    request("pay", 20);
    request("shop", 0.004);
    request("shop", 0.004);
    metrics.verdicts.inc({ service: "pay", verdict: "replay" });
    metrics.processes.set({ service: "pay", status: "in-progress" }, 3);
    metrics.processes.set({ service: "shop", status: "in-progress" }, 4);
    metrics.processes.set({ service: "shop", status: "completed" }, 400);
    metrics.mirrorLag.set({ service: "pay" }, 1.5);
    metrics.mirrorLag.set({ service: "shop" }, 0.5);
    await recorder.tick(store, 0);
    await recorder.tick(store, 10_000);
    expect(of(added[0]!, allServices)).to.deep.equal({
      "http:2xx": 3,
      t0: 2,
      t14: 1,
      "v.replay": 1,
      "g.running": 7,
      "g.lag": 1500,
    });
    expect(of(added[0]!, "pay")["g.lag"]).to.equal(1500);
  });

  it("attempts are told by their outcome, processes by how they began and ended", async () => {
    const { recorder, store, added, metrics } = world();
    for (const outcome of ["ok", "5xx", "connection_refused"] as const)
      metrics.upstreamRequestDuration.observe({ service: "pay", method: "POST", outcome }, 0.03);
    metrics.processTransitions.inc({ service: "pay", from: "none", to: "in-progress" });
    metrics.processTransitions.inc({ service: "pay", from: "in-progress", to: "failed" });
    await recorder.tick(store, 0);
    await recorder.tick(store, 10_000);
    expect(of(added[0]!, "pay")).to.deep.equal({
      "a:ok": 1,
      "a:5xx": 1,
      "a:error": 1,
      s3: 3,
      "p.started": 1,
      "p.failed": 1,
    });
  });

  it("what a store that is away did not take keeps its own bucket, and is written with the next", async () => {
    const { recorder, store, added, state, request } = world();
    await recorder.tick(store, 0);
    request("pay", 1);
    state.isAway = true;
    const refused = await recorder.tick(store, 10_000).then(
      () => null,
      (error: unknown) => error,
    );
    expect(refused).to.be.instanceOf(Error);
    state.isAway = false;
    await recorder.tick(store, 15_000);
    expect(added, "one try for each bucket").to.deep.equal([]);
    request("pay", 1);
    await recorder.tick(store, 20_000);
    expect(added.map((one) => [one.start, of(one, "pay")["http:2xx"]])).to.deep.equal([
      [0, 1],
      [10_000, 1],
    ]);
  });

  it("a store that is away for long costs no memory without bound, and no count", async () => {
    const { recorder, store, added, state, request } = world();
    state.isAway = true;
    await recorder.tick(store, 0);
    for (let i = 1; i <= 100; i += 1) {
      request("pay", 1);
      await recorder.tick(store, i * 10_000).catch(() => undefined);
    }
    state.isAway = false;
    await recorder.tick(store, 1_010_000);
    expect(added.length).to.be.at.most(31);
    expect(added.reduce((sum, one) => sum + (of(one, "pay")["http:2xx"] ?? 0), 0)).to.equal(100);
  });

  it("services of one process that ask at once write once", async () => {
    const { recorder, store, added, request } = world();
    request("pay", 1);
    await recorder.tick(store, 0);
    await Promise.all([recorder.tick(store, 10_000), recorder.tick(store, 10_000)]);
    expect(added.length).to.equal(1);
  });

  it("the end of the process writes what the present bucket has, once", async () => {
    const { recorder, store, added, request } = world();
    await recorder.tick(store, 0);
    request("pay", 1);
    await Promise.all([recorder.finish(store, 4000), recorder.finish(store, 4000)]);
    await recorder.tick(store, 20_000);
    expect(added.map((one) => [one.start, of(one, "pay")["http:2xx"]])).to.deep.equal([[0, 1]]);
  });

  it("two processes are two writers, whatever their names", async () => {
    const [one, other] = [world(), world()];
    for (const { recorder, store } of [one, other]) await recorder.finish(store, 0);
    expect(one.added[0]!.writer).not.to.equal(other.added[0]!.writer);
  });
});
