import { isTerminal, StoreUnavailable } from "@sticky-proxy/core/process";
import { expect } from "chai";
import { report } from "../support/report.ts";
import { startReplicas } from "./replicas.ts";

describe("a profile that wants writes confirmed by a replica", () => {
  /** What the gate answers, call by call; after the last it lets everything through. */
  let answers: boolean[] = [];
  let asked = 0;
  /** Only what has ended is asked about. */
  let onlyEnds = false;

  const replicas = startReplicas(null, (origin) => ({
    yaml: `
services:
  s:
    instances: [${origin}]
    routes:
      - match: { path: /jobs }
        process: { identity: request, completion: callback }
      - process: { identity: key, leaseMs: 1000 }
`,
    async confirm({ status }) {
      if (onlyEnds && !isTerminal(status)) return;
      asked += 1;
      if (answers.shift() === false) throw new StoreUnavailable("no replica confirmed");
    },
  }));
  beforeEach(() => {
    answers = [];
    asked = 0;
    onlyEnds = false;
    replicas.upstream.respond((_request, response) => response.end("done"));
  });

  const send = (key: string) =>
    fetch(`${replicas.cluster.url()}/s/x`, {
      method: "POST",
      headers: { "Idempotency-Key": key },
      body: "{}",
    });

  it("asks before the dispatch and before the result is acknowledged", async () => {
    expect(await (await send("a")).text()).to.equal("done");
    expect(asked).to.equal(2);
  });

  it("sends nothing when the claim is not confirmed: 503, executed no, and the key is free at once", async () => {
    answers = [false];
    const refused = await send("b");
    expect(refused.status).to.equal(503);
    expect(await refused.json()).to.include({ type: "/_sticky/problems/store-unavailable", executed: "no" });
    expect(replicas.upstream.requests).to.have.length(0);
    expect(await (await send("b")).text()).to.equal("done");
  });

  it("is not said to be unsent when its withdrawal is not confirmed either", async () => {
    answers = [false, false];
    const refused = await send("e");
    expect(refused.status).to.equal(503);
    expect(await refused.json()).to.include({ executed: "unknown" });
    expect(replicas.upstream.requests).to.have.length(0);
  });

  it("acknowledges a result only when it is confirmed, asking again while the lease lasts", async () => {
    answers = [true, false, false];
    expect(await (await send("c")).text()).to.equal("done");
    expect(asked).to.equal(4);
  });

  it("502 execution-lost, executed yes, when it never is", async () => {
    answers = [true, ...Array<boolean>(1000).fill(false)];
    const lost = await send("d");
    expect(lost.status).to.equal(502);
    expect(await lost.json()).to.include({ type: "/_sticky/problems/execution-lost", executed: "yes" });
  });

  it("answers a callback 503 until its result is confirmed; the same report again is then a duplicate", async () => {
    replicas.upstream.respond((_request, response) => response.writeHead(202).end());
    await fetch(`${replicas.cluster.url()}/s/jobs`, { method: "POST", body: "{}" });
    await replicas.upstream.arrived(1);
    onlyEnds = true;
    answers = [false];
    const first = await report(replicas.upstream.last);
    expect(first.status).to.equal(503);
    expect(first.headers.get("retry-after")).to.equal("1");
    expect(await (await report(replicas.upstream.last)).json()).to.deep.equal({
      accepted: true,
      duplicate: true,
    });
  });
});
