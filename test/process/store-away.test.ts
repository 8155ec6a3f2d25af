import { EventEmitter, once } from "node:events";
import { createMemoryStore } from "@sticky-proxy/core/testing";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import { parseProcessId } from "@sticky-proxy/protocol";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startNodes, type Nodes } from "../support/nodes.ts";
import { report } from "../support/report.ts";
import { until } from "../support/until.ts";

describe("our own resources while the store is away", () => {
  let upstream: FakeUpstream;
  let nodes: Nodes;
  let isAway = false;
  let memory: ReturnType<typeof createMemoryStore>;
  const reads = new EventEmitter();
  const commits = new EventEmitter();

  before(async () => {
    upstream = await FakeUpstream.start((_request, response) => response.writeHead(202).end());
    memory = createMemoryStore({ now: Date.now });
    nodes = await startNodes({
      yaml: `
services:
  s:
    instances: [${upstream.origin}]
    routes:
      - { match: { path: /held }, process: { identity: request, completion: callback, waitMs: 60000 } }
      - match: { path: /retried }
        retries: { attempts: 2, minMs: 200, maxMs: 200 }
        process: { identity: request, waitMs: 60000, leaseMs: 2000 }
      - process: { identity: request, completion: callback }
  copied:
    instances: [${upstream.origin}]
    timeouts: { firstByteMs: 500 }
    routes:
      - retries: { attempts: 2, minMs: 50, maxMs: 50 }
        mirror: { to: second, mode: dual-write, outbox: required }
  second:
    instances: [http://127.0.0.1:9]
    match: none`,
      store: {
        ...memory,
        read: (...args) => {
          reads.emit("read");
          return isAway ? Promise.reject(new StoreUnavailable("away")) : memory.read(...args);
        },
        commit: (base, change, options) => {
          commits.emit(change.entry.event);
          return isAway ? Promise.reject(new StoreUnavailable("away")) : memory.commit(base, change, options);
        },
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
    isAway = true;
    const calls = [
      fetch(self),
      fetch(`${self}/result`),
      fetch(`${self}/cancel`, { method: "POST" }),
      report(upstream.last),
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
    expect((await report(upstream.last)).status).to.equal(200);
    expect(await (await fetch(`${self}/result`)).json()).to.deep.equal({});
  });

  const hold = (body: string, headers: Record<string, string> = {}) =>
    fetch(`${nodes.url()}/s/held`, {
      method: "POST",
      body,
      // A type that is spelled alike in every version of the fingerprint: else an older one is read first.
      headers: { "Content-Type": "text/plain", ...headers },
    });

  it("whoever is held stays held while it is away for a moment, and gets the result", async () => {
    upstream.requests.length = 0;
    const submitted = await hold("gap", { Prefer: "respond-async" });
    const self = nodes.url() + submitted.headers.get("location")!;
    await upstream.arrived(1);
    const { headers } = upstream.last;
    const accepted = await until<Response>(async () => {
      const answer = await fetch(self);
      const { phase } = (await answer.json()) as { phase: string };
      return phase === "awaiting-callback" ? answer : null;
    });
    const known = { "If-None-Match": accepted.headers.get("etag")! };
    const polled = fetch(self, { headers: { Prefer: "wait=60", ...known } });
    const awaited = fetch(`${self}/result`, { headers: { Prefer: "wait=60" } });
    for (let looks = 0; looks < 4; looks += 1) await once(reads, "read"); // each has read twice: it waits
    isAway = true;
    const joined = hold("gap");
    await once(reads, "read");
    isAway = false;
    const reported = await report({ headers }, { body: "done", headers: { "Content-Type": "text/plain" } });
    expect(reported.status).to.equal(200);
    expect(await (await polled).json()).to.include({ status: "completed" });
    for (const answer of await Promise.all([awaited, joined])) {
      expect(answer.status).to.equal(200);
      expect(await answer.text()).to.equal("done");
    }
  });

  it("nor is a client let go when it is away as its next attempt is due: a sweeper sends it later", async () => {
    upstream.requests.length = 0;
    upstream.respond((_request, response) => {
      if (upstream.requests.length === 1) response.writeHead(503, { "Retry-After": "0" }).end();
      else response.end("second");
    });
    const answered = fetch(`${nodes.url()}/s/retried`, { method: "POST", body: "1" });
    await once(commits, "backing-off");
    const due = once(commits, "dispatched");
    await new Promise((resolve) => setImmediate(resolve));
    isAway = true;
    await due;
    await new Promise((resolve) => setImmediate(resolve));
    isAway = false;
    let answer: Response | null = null;
    void answered.then((now) => (answer = now));
    const { status } = await until<Response>(
      () => answer,
      () => nodes.sweeper.tick(),
    );
    expect([status, upstream.requests.length]).to.deep.equal([200, 2]);
    upstream.respond((_request, response) => response.writeHead(202).end());
  });

  it("a request that only its copy makes a process of waits for it no longer than for its service", async () => {
    upstream.respond((_request, response) => response.writeHead(503, { "Retry-After": "0" }).end());
    const answered = fetch(`${nodes.url()}/copied/x`, { method: "POST", body: "1" });
    await once(commits, "backing-off");
    await new Promise((resolve) => setImmediate(resolve));
    isAway = true;
    const answer = await answered;
    isAway = false;
    expect(answer.status).to.equal(503);
    expect(await answer.json()).to.include({ executed: "unknown" });
    upstream.respond((_request, response) => response.writeHead(202).end());
  });

  it("503, executed unknown, when it is still away at the end of the hold", async () => {
    await hold("long gap", { Prefer: "respond-async" });
    isAway = true;
    const answer = await hold("long gap", { Prefer: "wait=1" });
    isAway = false;
    expect(answer.status).to.equal(503);
    expect(await answer.json()).to.include({ executed: "unknown" });
  });

  it("a process whose record was lost ends its waits as lost, executed unknown: nothing is guessed", async () => {
    const submitted = await hold("forgotten", { Prefer: "respond-async" });
    const id = submitted.headers.get("sticky-process-id")!;
    const joined = hold("forgotten");
    await once(reads, "read");
    const polled = fetch(`${nodes.url()}/_sticky/v1/processes/${id}/result`, {
      headers: { Prefer: "wait=60" },
    });
    for (let looks = 0; looks < 2; looks += 1) await once(reads, "read");
    await nodes.nodes[0]!.engine.executor.idle();
    const { record } = await memory.read(parseProcessId(id)!, { withResult: false });
    expect(await memory.purge(record!)).to.equal(true);
    const answer = await joined;
    expect(answer.status).to.equal(502);
    expect(answer.headers.get("sticky-process-id")).to.equal(id);
    expect(await answer.json()).to.include({
      type: "/_sticky/problems/execution-lost",
      executed: "unknown",
      processId: id,
    });
    const gone = await polled;
    expect(gone.status).to.equal(404);
    expect(await gone.json()).to.include({ executed: "unknown" });
  });
});
