/** limits.maxWaiters: who is over it is not held, but told what is known at once. */
import type { ServerResponse } from "node:http";
import { createMemoryStore } from "@sticky-proxy/core/testing";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startNodes, type Nodes } from "../support/nodes.ts";
import { until } from "../support/until.ts";

describe("a node that holds as many clients as it may", () => {
  let upstream: FakeUpstream;
  let cluster: Nodes;
  const open: ServerResponse[] = [];

  before(async () => {
    upstream = await FakeUpstream.start();
    upstream.respond((_request, response) => void open.push(response));
    cluster = await startNodes({
      store: createMemoryStore({ now: Date.now }),
      yaml: `
limits: { maxWaiters: 1 }
services:
  s:
    instances: [${upstream.origin}]
    routes:
      - match: { path: /accept }
        process: { identity: key, onWaitEnd: accepted }
      - match: { path: /hold }
        process: { identity: key }
`,
    });
  });
  after(async () => {
    for (const response of open) response.end("late");
    await cluster.close();
    await upstream.close();
  });

  const post = (path: string, key: string, headers: Record<string, string> = {}) =>
    fetch(`${cluster.url()}/s${path}`, { method: "POST", headers: { "Idempotency-Key": key, ...headers } });
  const waiters = async () =>
    (await cluster.nodes[0]!.metrics.registry.metrics()).match(/_waiters\{service="s"\} (\d+)/)?.[1];
  /** The upstream has been asked so many times. */
  const asked = (count: number) => until(() => open.length >= count);

  it("answers 202, or 504 by the route's onWaitEnd, and polls at once; a place that is free again is used", async () => {
    const first = post("/hold", "k1");
    await asked(1);

    const accepted = await post("/accept", "k2", { Prefer: "wait=30" });
    expect(accepted.status).to.equal(202);
    expect(accepted.headers.get("preference-applied")).to.equal(null);
    await asked(2); // not held, yet run

    const refused = await post("/hold", "k3");
    expect(refused.status).to.equal(504);
    expect(refused.headers.get("sticky-process-status")).to.equal("in-progress");

    const id = accepted.headers.get("sticky-process-id")!;
    const poll = await fetch(`${cluster.url()}/_sticky/v1/processes/${id}`, {
      headers: { Prefer: "wait=30" },
    });
    expect(poll.status).to.equal(200);
    expect(((await poll.json()) as { status: string }).status).to.equal("in-progress");
    const result = await fetch(`${cluster.url()}/_sticky/v1/processes/${id}/result`, {
      headers: { Prefer: "wait=30" },
    });
    expect(result.status).to.equal(202);

    open[0]!.end("first");
    const answered = await first;
    expect(answered.status).to.equal(200);
    expect(await answered.text()).to.equal("first");

    const held = post("/accept", "k2"); // joins, and is held this time
    await until(async () => (await waiters()) === "1");
    open[1]!.end("second");
    const joined = await held;
    expect([joined.status, await joined.text()]).to.deep.equal([200, "second"]);
  });
});
