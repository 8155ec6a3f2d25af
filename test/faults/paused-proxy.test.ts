/** A proxy process that stands still for longer than its leases and then goes on as if nothing had happened. */
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startCluster, type Cluster, type Node } from "../support/cluster.ts";

describe("a proxy stopped for longer than its lease", function () {
  this.timeout(30_000);
  const leaseMs = 600;
  let upstream: FakeUpstream;
  let cluster: Cluster;
  let sleeper: Node;
  let other: Node;

  before(async () => {
    upstream = await FakeUpstream.start();
    const instances = [upstream.origin];
    cluster = await startCluster({
      proxies: 2,
      config: {
        sweeper: { tickMs: 50 },
        services: {
          careful: { instances, routes: [{ process: { identity: "key", leaseMs } }] },
          robust: {
            instances,
            honoursKey: true,
            routes: [
              {
                process: { identity: "key", leaseMs, onUnknown: "retry" },
                retries: { attempts: 3, minMs: 10, maxMs: 10 },
              },
            ],
          },
        },
      },
    });
    [sleeper, other] = cluster.proxies as [Node, Node];
  });
  after(async () => {
    sleeper?.child.kill("SIGCONT");
    await cluster?.stop();
    await upstream?.close();
  });
  beforeEach(() => {
    upstream.requests.length = 0;
  });

  let keys = 0;
  function post(node: Node, service: string, key: string): Promise<Response> {
    return fetch(`${node.url}/${service}/x`, {
      method: "POST",
      headers: { "Idempotency-Key": key },
      body: "{}",
    });
  }
  async function told(answer: Response): Promise<string> {
    const text = await answer.text();
    const isProblem = answer.headers.get("content-type")?.includes("problem") === true;
    const { type, executed } = isProblem ? (JSON.parse(text) as Record<string, string>) : {};
    return `${answer.status} ${isProblem ? `${type} ${executed}` : text}`;
  }
  /**
   * The service answers the sleeper's request (its first) only while the sleeper stands still; others at once.
   * Returns what the sleeper's client and a client elsewhere are told.
   */
  async function sleepThrough(service: string) {
    const first = Promise.withResolvers<void>();
    upstream.respond(async (request, response) => {
      if (upstream.requests[0] === request) await first.promise;
      response.end(`attempt ${request.headers.get("sticky-attempt")}`);
    });
    const key = `paused-${(keys += 1)}`;
    const mine = post(sleeper, service, key);
    await upstream.arrived(1);
    sleeper.child.kill("SIGSTOP");
    // Joins on the other replica, and is answered when the sweeper has settled what the sleeper left.
    const elsewhere = await told(await post(other, service, key));
    first.resolve();
    const late = upstream.requests[0]!;
    while (late.endedAs === 0) await new Promise((resolve) => setImmediate(resolve)); // it lies in the socket now
    sleeper.child.kill("SIGCONT");
    return { key, elsewhere, mine: await told(await mine) };
  }

  it("taken over and sent again: its own late answer is refused, and its client gets the committed one", async () => {
    const { key, elsewhere, mine } = await sleepThrough("robust");
    expect(elsewhere).to.equal("200 attempt 2");
    expect(mine).to.equal("200 attempt 2");
    const fences = upstream.requests.map(({ headers }) => Number(headers.get("sticky-fence")));
    expect(fences).to.have.length(2);
    expect(fences[1]).to.be.greaterThan(fences[0]!);
    for (const node of [sleeper, other]) {
      expect(await told(await post(node, "robust", key))).to.equal("200 attempt 2");
    }
    expect(upstream.requests).to.have.length(2);
  });

  it("taken over and failed: nobody is given the late answer, neither its own client nor anybody later", async () => {
    const { key, elsewhere, mine } = await sleepThrough("careful");
    const lost = "502 /_sticky/problems/execution-lost unknown";
    expect(elsewhere).to.equal(lost);
    expect(mine).to.equal(lost);
    for (const node of [sleeper, other]) {
      expect(await told(await post(node, "careful", key))).to.equal(lost);
    }
    expect(upstream.requests).to.have.length(1);
  });

  it("it goes on to serve", async () => {
    upstream.respond((_request, response) => response.end("well"));
    expect(await told(await post(sleeper, "careful", `paused-${(keys += 1)}`))).to.equal("200 well");
    expect((await fetch(`${sleeper.opsUrl}/readyz`)).status).to.equal(200);
  });
});
