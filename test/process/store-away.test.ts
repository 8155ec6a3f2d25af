import { createMemoryStore, StoreUnavailable } from "@sticky-proxy/core";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startNodes, type Nodes } from "../support/nodes.ts";

describe("our own resources while the store is away", () => {
  let upstream: FakeUpstream;
  let nodes: Nodes;
  let isAway = false;

  before(async () => {
    upstream = await FakeUpstream.start((_request, response) => response.writeHead(202).end());
    const memory = createMemoryStore({ now: Date.now });
    nodes = await startNodes({
      yaml: `services: { s: { instances: [${upstream.origin}], routes: [{ process: { identity: request, completion: callback } }] } }`,
      store: {
        ...memory,
        read: (...args) => (isAway ? Promise.reject(new StoreUnavailable("away")) : memory.read(...args)),
      },
    });
  });
  after(async () => {
    await nodes?.close();
    await upstream?.close();
  });

  it("503 store-unavailable with Retry-After for polls, results, cancels and callbacks; all work again afterwards", async () => {
    const submitted = await fetch(`${nodes.url()}/s/x`, { method: "POST", body: "{}" });
    const self = nodes.url() + submitted.headers.get("location")!;
    await upstream.arrived(1);
    const { headers } = upstream.last;
    const report = () =>
      fetch(headers.get("sticky-callback-url")!, {
        method: "POST",
        headers: { "Sticky-Execution": headers.get("sticky-execution")!, "Content-Type": "application/json" },
        body: "{}",
      });
    isAway = true;
    const calls = [
      fetch(self),
      fetch(`${self}/result`),
      fetch(`${self}/cancel`, { method: "POST" }),
      report(),
    ];
    for (const answer of await Promise.all(calls)) {
      expect(answer.status).to.equal(503);
      expect(answer.headers.get("retry-after")).to.equal("1");
      expect(await answer.json()).to.include({
        type: "/_sticky/problems/store-unavailable",
        executed: "unknown",
      });
    }
    isAway = false;
    expect((await report()).status).to.equal(200);
    expect(await (await fetch(`${self}/result`)).json()).to.deep.equal({});
  });
});
