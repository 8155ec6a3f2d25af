import { execFile } from "node:child_process";
import { join } from "node:path";
import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startCluster, type Cluster } from "../support/cluster.ts";
import { startOrigin, type Origin } from "./origin.ts";

const cli = join(import.meta.dirname, "../../services/cli/src/cli.ts");

describeWithRedis("the shared cache of three real replicas behind the balancer", function () {
  this.timeout(60_000);
  let origin: Origin;
  let cluster: Cluster;
  before(async () => {
    origin = await startOrigin();
    cluster = await startCluster({
      config: {
        services: {
          catalogue: {
            instances: [origin.url],
            match: { path: "/catalogue" },
            routes: [
              { match: { methods: ["GET", "HEAD"] }, cache: {} },
              { match: { methods: ["POST"] }, process: { identity: "request", completion: "callback" } },
            ],
          },
        },
      },
      balancer: true,
      sweepers: 0,
    });
  });
  after(async () => {
    await cluster.stop();
    await origin.close();
  });
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${cluster.balancer!.url}${path}`, { headers });
  const command = (...args: string[]): Promise<{ code: number; out: string }> =>
    new Promise((resolve) => {
      const env = { ...process.env, REDIS_URL: cluster.redis.url };
      execFile(process.execPath, [cli, ...args], { env }, (error, stdout) => {
        resolve({ code: typeof error?.code === "number" ? error.code : 0, out: stdout });
      });
    });

  it("100 concurrent requests without a stored response are one request to the service", async () => {
    origin.on("/cold", async (_, response) => {
      await new Promise((resolve) => setTimeout(resolve, 300)); // the service's own time
      response.writeHead(200, { "Cache-Control": "max-age=600" });
      response.end("one for all");
    });
    const texts = await Promise.all(
      Array.from({ length: 100 }, async () => (await get("/catalogue/cold")).text()),
    );
    expect(new Set(texts)).to.deep.equal(new Set(["one for all"]));
    expect(origin.seen("/cold")).to.have.lengthOf(1);
  });

  it("every replica sees a response stored, reused, expired, revalidated and reused again", async () => {
    origin.on("/item", (request, response, nth) => {
      response.setHeader("ETag", '"1"');
      response.setHeader("Cache-Control", nth === 1 ? "max-age=1" : "max-age=600");
      response.writeHead(request.headers["if-none-match"] === '"1"' ? 304 : 200);
      response.end(request.headers["if-none-match"] === '"1"' ? undefined : "item");
    });
    const seen: string[] = [];
    for (let i = 0; seen.at(-1) !== "REVALIDATED"; i++) {
      const response = await get("/catalogue/item");
      expect(await response.text()).to.equal("item");
      seen.push(response.headers.get("x-cache") ?? "");
      expect(i).to.be.below(1000);
      await new Promise((resolve) => setTimeout(resolve, 50)); // a lifetime of one second is real time
    }
    expect([...new Set(seen)]).to.deep.equal(["MISS", "HIT", "REVALIDATED"]);
    for (let i = 0; i < 6; i++) expect((await get("/catalogue/item")).headers.get("x-cache")).to.equal("HIT");
    expect(origin.seen("/item")).to.have.lengthOf(2);
  });

  it("the command line purges the cache of all replicas", async () => {
    origin.on("/cleared", (_, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=600" });
      response.end();
    });
    const xCache = async () => (await get("/catalogue/cleared")).headers.get("x-cache");
    expect([await xCache(), await xCache()]).to.deep.equal(["MISS", "HIT"]);
    expect(await command("clear-cache")).to.deep.equal({ code: 0, out: "everything: gone\n" });
    expect([await xCache(), await xCache(), await xCache()]).to.deep.equal(["MISS", "HIT", "HIT"]);
  });

  it("a process invalidates its URI at its 202, and again when a callback on any replica ends it", async () => {
    let callback: { url: string; token: string } | null = null;
    origin.on("/job", (request, response, nth) => {
      if (request.method === "POST") {
        callback = {
          url: String(request.headers["sticky-callback-url"]),
          token: String(request.headers["sticky-execution"]),
        };
        response.writeHead(202);
        return void response.end();
      }
      response.writeHead(200, { "Cache-Control": "max-age=600" });
      response.end(`state ${nth}`);
    });
    const look = async () => {
      const response = await get("/catalogue/job");
      return [response.headers.get("x-cache"), await response.text()];
    };
    expect([await look(), await look()]).to.deep.equal([
      ["MISS", "state 1"],
      ["HIT", "state 1"],
    ]);
    const accepted = await fetch(`${cluster.balancer!.url}/catalogue/job`, { method: "POST", body: "work" });
    expect(accepted.status).to.equal(202);
    while (callback === null) await new Promise((resolve) => setImmediate(resolve));
    expect([(await look())[0], (await look())[0]]).to.deep.equal(["MISS", "HIT"]);
    const { url, token } = callback as { url: string; token: string };
    const done = await fetch(url, { method: "POST", headers: { "Sticky-Execution": token }, body: "result" });
    expect(done.status).to.equal(200);
    expect((await look())[0]).to.equal("MISS");
  });

  it("an unsafe request through one replica invalidates for all replicas", async () => {
    origin.on("/written", (request, response, nth) => {
      response.writeHead(request.method === "GET" ? 200 : 204, { "Cache-Control": "max-age=600" });
      response.end(request.method === "GET" ? `v${nth}` : undefined);
    });
    await get("/catalogue/written");
    const put = await fetch(`${cluster.balancer!.url}/catalogue/written`, { method: "PUT", body: "x" });
    expect(put.status).to.equal(204);
    for (let i = 0; i < 6; i++) expect(await (await get("/catalogue/written")).text()).to.equal("v3");
  });
});
