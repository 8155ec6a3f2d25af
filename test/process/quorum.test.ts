import { asScope } from "@sticky-proxy/protocol";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import { sleep, systemClock } from "@sticky-proxy/runtime";
import type { Locks } from "@sticky-proxy/store";
import { createLocks, createQuorumLocks } from "@sticky-proxy/store/testing";
import { FakeUpstream, startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startNodes, type Nodes } from "../support/nodes.ts";

describe("the quorum guard of ha+quorum, on three lock Redises", function () {
  this.timeout(30_000);
  let redises: TestRedis[];
  let mine: Locks;
  let theirs: Locks;
  let upstream: FakeUpstream;
  let nodes: Nodes;

  before(async () => {
    redises = await Promise.all([startRedis(), startRedis(), startRedis()]);
    const open = (): Locks =>
      createLocks({
        targets: redises.map(({ url }) => ({ url })),
        keyOf: (name) => `lock:${name}`,
        clock: systemClock,
        sleep,
        onError: () => undefined,
        commandTimeoutMs: 600,
      });
    mine = open();
    theirs = open();
    upstream = await FakeUpstream.start();
    nodes = await startNodes({
      yaml: `services: { s: { instances: [${upstream.origin}], routes: [{ process: { identity: key } }] } }`,
      guard: createQuorumLocks(mine),
    });
  });
  after(async () => {
    await nodes?.close();
    await upstream?.close();
    await Promise.all([mine?.close(), theirs?.close()]);
    await Promise.all((redises ?? []).map((redis) => redis.stop()));
  });
  beforeEach(() => {
    upstream.requests.length = 0;
  });

  const send = (key: string) =>
    fetch(`${nodes.url()}/s/x`, { method: "POST", headers: { "Idempotency-Key": key }, body: "{}" });

  it("holds the scope's lock while the service works and gives it back afterwards", async () => {
    const gate = Promise.withResolvers<void>();
    upstream.respond(async (_request, response) => {
      await gate.promise;
      response.end("done");
    });
    const answer = send("a");
    await upstream.arrived(1);
    const scope = asScope(upstream.last.headers.get("sticky-process-id")!.split(".")[1]!);
    const other = createQuorumLocks(theirs);
    const refused = await other.hold({ scope }, () => undefined).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(StoreUnavailable);
    gate.resolve();
    expect(await (await answer).text()).to.equal("done");
    await nodes.nodes[0]!.engine.executor.idle();
    await (await other.hold({ scope }, () => undefined)).release();
  });

  it("sends nothing without a quorum: 503, executed no, and the identity is free when the nodes are back", async () => {
    upstream.respond((_request, response) => response.end("done"));
    redises[0]!.pause();
    redises[1]!.pause();
    try {
      const answer = await send("b");
      expect(answer.status).to.equal(503);
      expect(await answer.json()).to.include({ type: "/_sticky/problems/store-unavailable", executed: "no" });
      expect(upstream.requests).to.have.length(0);
    } finally {
      redises[0]!.resume();
      redises[1]!.resume();
    }
    let again = await send("b");
    // The lock nodes may still be answering what they were asked while they stood.
    while (again.status === 503) again = await send("b");
    expect(await again.text()).to.equal("done");
    expect(upstream.requests).to.have.length(1);
  });
});
