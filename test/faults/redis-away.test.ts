/** Redis stopped, killed, and silent, under real proxies: keyed work fails closed, plain work goes on, nothing runs late. */
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startCluster, type Cluster } from "../support/cluster.ts";
import { startRelay, type Relay } from "./relay.ts";

describe("Redis away under two proxies and a sweeper", function () {
  this.timeout(40_000);
  let upstream: FakeUpstream;
  let cluster: Cluster;
  let relay: Relay;

  before(async () => {
    upstream = await FakeUpstream.start();
    cluster = await startCluster({
      proxies: 2,
      async redisUrl(redis) {
        relay = await startRelay(redis.port);
        return relay.url;
      },
      config: {
        sweeper: { tickMs: 100 },
        services: {
          payments: {
            instances: [upstream.origin],
            routes: [
              { match: { path: "/short" }, process: { identity: "key", leaseMs: 1500 } },
              { match: { path: "/patient" }, process: { identity: "key", leaseMs: 20_000 } },
              { process: { identity: "key" } },
            ],
          },
          plain: { instances: [upstream.origin] },
        },
      },
    });
  });
  after(async () => {
    await cluster?.stop();
    await relay?.close();
    await upstream?.close();
  });
  beforeEach(() => {
    upstream.requests.length = 0;
    upstream.respond((request, response) =>
      response.writeHead(201).end(`ran ${request.headers.get("idempotency-key")}`),
    );
  });

  let keys = 0;
  const newKey = (): string => `away-${(keys += 1)}`;
  function pay(node: number, key: string, path = "/x"): Promise<Response> {
    return fetch(`${cluster.url(node)}/payments${path}`, {
      method: "POST",
      headers: { "Idempotency-Key": key },
      body: "{}",
    });
  }
  const runsOf = (key: string): number =>
    upstream.requests.filter(({ headers }) => headers.get("idempotency-key") === key).length;

  async function expectRefused(answer: Response): Promise<void> {
    expect(answer.status).to.equal(503);
    expect(answer.headers.get("retry-after")).to.match(/^\d+$/);
    expect(await answer.json()).to.include({ type: "/_sticky/problems/store-unavailable", executed: "no" });
  }
  /** The answer of the first attempt that is not refused. */
  async function untilServed(send: () => Promise<Response>): Promise<Response> {
    for (;;) {
      const answer = await send();
      if (answer.status !== 503) return answer;
      await expectRefused(answer);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  async function untilReadiness(word: string): Promise<void> {
    for (const node of cluster.proxies) {
      for (;;) {
        expect((await fetch(`${node.opsUrl}/livez`)).status).to.equal(200);
        const ready = await fetch(`${node.opsUrl}/readyz`);
        expect(ready.status).to.equal(200);
        if ((await ready.text()).includes(word)) break;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
  async function expectPlainTrafficGoesOn(): Promise<void> {
    for (const i of [0, 1]) {
      expect((await fetch(`${cluster.url(i)}/plain/x`, { method: "POST", body: "x" })).status).to.equal(201);
    }
  }

  it("killed: keyed requests get 503 executed no, plain ones go on, the proxies stay ready; after the restart earlier results are served and refused requests run once", async () => {
    const earlier = newKey();
    const first = await (await pay(0, earlier)).text();
    await cluster.redis.kill("SIGKILL");
    const refused = Array.from({ length: 6 }, newKey);
    for (const [i, key] of refused.entries()) await expectRefused(await pay(i, key));
    await expectRefused(await pay(1, earlier));
    expect(upstream.requests).to.have.length(1);
    await expectPlainTrafficGoesOn();
    await untilReadiness("degraded");

    await cluster.redis.restart();
    const replay = await untilServed(() => pay(1, earlier));
    expect(replay.headers.get("idempotent-replayed")).to.equal("true");
    expect(await replay.text()).to.equal(first);
    await untilServed(() => pay(0, earlier));
    expect(refused.map(runsOf), "answered 503 no").to.deep.equal(refused.map(() => 0));
    for (const [i, key] of refused.entries()) {
      const now = await untilServed(() => pay(i + 1, key));
      expect(now.headers.get("idempotent-replayed")).to.equal("false");
    }
    expect(refused.map(runsOf)).to.deep.equal(refused.map(() => 1));
    expect(runsOf(earlier)).to.equal(1);
    await untilReadiness('"ok"');
  });

  it("stopped: what was refused never runs late when Redis goes on, and the same request then runs at once, once", async () => {
    await Promise.all([pay(0, newKey()), pay(1, newKey())]); // both know the server's clock
    upstream.requests.length = 0;
    const refused = Array.from({ length: 6 }, newKey);
    cluster.redis.pause();
    try {
      const answers = await Promise.all(refused.map((key, i) => pay(i, key)));
      for (const answer of answers) await expectRefused(answer);
      await expectPlainTrafficGoesOn();
      await untilReadiness("degraded");
    } finally {
      cluster.redis.resume();
    }
    const again = await Promise.all(refused.map((key, i) => untilServed(() => pay(i + 1, key))));
    expect(again.map(({ status }) => status)).to.deep.equal(refused.map(() => 201));
    expect(again.map(({ headers }) => headers.get("idempotent-replayed"))).to.deep.equal(
      refused.map(() => "false"),
    );
    await untilReadiness('"ok"');
    expect(refused.map(runsOf)).to.deep.equal(refused.map(() => 1));
  });

  it("silent: a claim that Redis made although its answer came too late is released, and the same request runs at once, once", async () => {
    await Promise.all([pay(0, newKey()), pay(1, newKey())]);
    upstream.requests.length = 0;
    const refused = Array.from({ length: 4 }, newKey);
    relay.holdAnswers();
    try {
      const answers = await Promise.all(refused.map((key, i) => pay(i, key)));
      for (const answer of answers) await expectRefused(answer);
    } finally {
      relay.resume();
    }
    // On the other replica: it finds a record in progress that nobody will ever send.
    const again = await Promise.all(refused.map((key, i) => untilServed(() => pay(i + 1, key))));
    expect(await Promise.all(again.map((answer) => answer.text()))).to.deep.equal(
      refused.map((key) => `ran ${key}`),
    );
    expect(refused.map(runsOf)).to.deep.equal(refused.map(() => 1));
  });

  describe("lost between the service's answer and its commit", () => {
    async function settled(id: string): Promise<Record<string, unknown>> {
      for (;;) {
        const answer = await fetch(`${cluster.url(1)}/_sticky/v1/processes/${id}`);
        if (answer.status === 200) {
          const view = (await answer.json()) as Record<string, unknown>;
          if (view["done"] === true) return view;
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    /** Sends a request whose answer leaves the service after `fault` has struck; returns client's answer and process. */
    async function answeredInto(path: string, fault: () => Promise<void> | void) {
      upstream.respond(async (_request, response) => {
        await fault();
        response.writeHead(201).end("charged");
      });
      const key = newKey();
      for (;;) {
        const answer = pay(0, key, path);
        // A node that is still coming back from the fault before this one refuses, and the service never sees it.
        const refused = await Promise.race([upstream.arrived(1), answer]);
        if (refused === undefined)
          return { key, answer, id: upstream.last.headers.get("sticky-process-id")! };
        await expectRefused(refused);
      }
    }

    it("stopped for longer than a lease: 502 execution-lost, executed yes; the record is settled and nothing runs again by itself", async () => {
      const { key, answer, id } = await answeredInto("/short", () => cluster.redis.pause());
      const lost = await answer;
      cluster.redis.resume();
      expect(lost.status).to.equal(502);
      expect(await lost.json()).to.include({
        type: "/_sticky/problems/execution-lost",
        executed: "yes",
        processId: id,
      });
      const view = await settled(id);
      expect(view["status"]).to.be.oneOf(["completed", "failed"]);
      expect(view["outcome"]).to.not.deep.include({ executed: "no" });
      const replay = await untilServed(() => pay(1, key, "/short"));
      expect(replay.headers.get("idempotent-replayed")).to.equal("true");
      expect(replay.status).to.equal(view["status"] === "completed" ? 201 : 502);
      expect(runsOf(key)).to.equal(1);
    });

    it("killed for longer than a lease: 502 executed yes; after the restart the alarm settles it as unknown", async () => {
      const { key, answer, id } = await answeredInto("/short", () => cluster.redis.kill("SIGKILL"));
      const lost = await answer;
      expect(lost.status).to.equal(502);
      expect(await lost.json()).to.include({ type: "/_sticky/problems/execution-lost", executed: "yes" });
      await cluster.redis.restart();
      const view = await settled(id);
      expect(view).to.include({ status: "failed" });
      expect(view["outcome"]).to.deep.include({ executed: "unknown" });
      const replay = await untilServed(() => pay(1, key, "/short"));
      expect(await replay.json()).to.include({
        type: "/_sticky/problems/execution-lost",
        executed: "unknown",
      });
      expect(runsOf(key)).to.equal(1);
    });

    it("back within the lease: the client gets the result, and so does everybody later", async () => {
      const { key, answer } = await answeredInto("/patient", () => cluster.redis.kill("SIGKILL"));
      await cluster.redis.restart();
      const result = await answer;
      expect(result.status).to.equal(201);
      expect(await result.text()).to.equal("charged");
      const replay = await untilServed(() => pay(1, key, "/patient"));
      expect(replay.headers.get("idempotent-replayed")).to.equal("true");
      expect(await replay.text()).to.equal("charged");
      expect(runsOf(key)).to.equal(1);
    });
  });
});
