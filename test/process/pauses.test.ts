/** Whom a Retry-After pauses: 429 its caller, 503 the instance that said it, and the service only when none is left. */
import { createPacing } from "@sticky-proxy/engine";
import { systemClock } from "@sticky-proxy/runtime";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startNodes, type Nodes } from "../support/nodes.ts";

describe("pauses that services ask for", () => {
  let draining: FakeUpstream;
  let healthy: FakeUpstream;
  let cluster: Nodes;

  before(async () => {
    draining = await FakeUpstream.start();
    healthy = await FakeUpstream.start();
    cluster = await startNodes({
      pacing: createPacing({
        shared: null,
        services: () => ["limited", "strict", "pair", "single"],
        clock: systemClock,
        random: () => 0,
        onFailure: () => undefined,
      }),
      yaml: `
services:
  limited:
    instances: [${healthy.origin}]
    routes: [{ process: { identity: key, waitMs: 3000 } }]
  strict:
    instances: [${healthy.origin}]
    paceBy: service
    limits: { maxQueue: 1 }
    routes: [{ process: { identity: key, waitMs: 300 } }]
  pair:
    instances: [${draining.origin}, ${healthy.origin}]
    routes:
      - process: { identity: key, waitMs: 5000 }
        retries: { attempts: 3, minMs: 1, maxMs: 5 }
  single:
    instances: [${draining.origin}]
    routes:
      - process: { identity: key, waitMs: 300 }
        retries: { attempts: 3, minMs: 1, maxMs: 5 }
`,
    });
  });
  after(async () => {
    await cluster.close();
    await draining.close();
    await healthy.close();
  });
  beforeEach(() => {
    draining.requests.length = 0;
    healthy.requests.length = 0;
    draining.respond((_request, response) => response.writeHead(503, { "Retry-After": "25" }).end());
    healthy.respond((request, response) =>
      request.headers.get("authorization") === "Bearer greedy"
        ? response.writeHead(429, { "Retry-After": "25" }).end()
        : response.writeHead(200).end("done"),
    );
  });

  const post = (path: string, key: string, who = "modest") =>
    fetch(cluster.url() + path, {
      method: "POST",
      headers: { "Idempotency-Key": key, Authorization: `Bearer ${who}` },
    });

  it("a 429 pauses its caller: its next request waits, another one's is answered at once", async () => {
    expect((await post("/limited/a", "l1", "greedy")).status).to.equal(429);
    expect((await post("/limited/a", "l2", "modest")).status).to.equal(200);
    const waits = post("/limited/a", "l3", "greedy");
    expect((await post("/limited/a", "l4", "modest")).status).to.equal(200);
    expect((await waits).status, "it is held, and not sent").to.equal(504);
    expect(healthy.requests).to.have.length(3);
  });

  it("with paceBy: service a 429 pauses the service for all", async () => {
    expect((await post("/strict/a", "s1", "greedy")).status).to.equal(429);
    expect((await post("/strict/a", "s2", "modest")).status).to.equal(504);
    expect(healthy.requests).to.have.length(1);
  });

  it("a 503 of one instance sends the work to the other one, and after a second one nothing more comes to it", async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 30; i += 1) statuses.push((await post("/pair/a", `p${i}`)).status);
    expect(statuses.filter((status) => status !== 200)).to.deep.equal([]);
    expect(healthy.requests).to.have.length(30);
    expect(draining.requests.length).to.be.at.most(2);
  });

  it("an only instance is asked once more on a new connection, and its second 503 pauses the service", async () => {
    expect((await post("/single/a", "i1")).status).to.equal(504);
    expect(draining.requests.map(({ headers }) => headers.get("sticky-attempt"))).to.deep.equal(["1", "2"]);
    expect((await post("/single/a", "i2")).status).to.equal(504);
    expect(draining.requests, "the second process waits").to.have.length(2);
  });
});
