import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startCluster, type Cluster } from "../support/cluster.ts";
import { until } from "../support/until.ts";

const cli = join(import.meta.dirname, "../../services/cli/src/cli.ts");

describe("the command line, beside running proxies and a sweeper", function () {
  this.timeout(60_000);
  let upstream: FakeUpstream;
  let shop: FakeUpstream;
  let cluster: Cluster;

  before(async () => {
    upstream = await FakeUpstream.start();
    shop = await FakeUpstream.start();
    cluster = await startCluster({
      proxies: 2,
      config: {
        sweeper: { tickMs: 50 },
        webhooks: {
          shop: {
            url: `${shop.origin}/events`,
            secrets: [`whsec_${Buffer.alloc(32, 1).toString("base64")}`],
            allowPrivate: true,
          },
        },
        services: {
          pay: {
            instances: [upstream.origin],
            routes: [
              {
                process: {
                  identity: "key",
                  waitMs: 10_000,
                  onUnknown: "fail",
                  keepRequest: true,
                  pollLocation: { minMs: 10, maxMs: 50 },
                },
              },
            ],
          },
        },
      },
    });
  });
  after(async () => {
    await cluster.stop();
    await Promise.all([upstream.close(), shop.close()]);
  });

  async function run(...args: string[]): Promise<{ code: number; out: string }> {
    const env = { ...process.env, REDIS_URL: cluster.redis.url };
    return promisify(execFile)(process.execPath, [cli, ...args], { env }).then(
      ({ stdout }) => ({ code: 0, out: stdout }),
      (error: { code: number; stdout: string }) => ({ code: error.code, out: error.stdout }),
    );
  }
  function post(key: string, node: number, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${cluster.url(node)}/pay/charges`, {
      method: "POST",
      headers: { "Idempotency-Key": key, ...headers },
      body: "{}",
    });
  }

  it("lists, shows, redrives and waits for what the proxies and the sweeper did", async () => {
    upstream.respond((_request, response) => response.destroy());
    const lost = await post("k1", 0);
    const id = lost.headers.get("sticky-process-id")!;
    expect(lost.status).to.equal(502);
    const listed = await run("dlq", "list", "--json");
    const { deadLetters } = JSON.parse(listed.out) as { deadLetters: { id: string; executed: string }[] };
    expect(deadLetters.map((letter) => letter.id)).to.deep.equal([id]);
    expect((await run("show", id)).out).to.include("deadLetter: upstream");

    upstream.respond((_request, response) => response.end("paid"));
    const redriven = await run("dlq", "redrive", id, "--yes", "--json");
    const { successor } = JSON.parse(redriven.out) as { successor: string };
    expect((await run("wait", successor, "--timeout", "20s")).code).to.equal(0);
    const replayed = await post("k1", 1);
    expect([await replayed.text(), replayed.headers.get("idempotent-replayed")]).to.deep.equal([
      "paid",
      "true",
    ]);
    const { out } = await run("ps", "pay", "--status", "completed", "--json");
    expect((JSON.parse(out) as { processes: { id: string }[] }).processes[0]!.id).to.equal(successor);
  });

  it("runs beside polls and webhooks that the sweeper does", async () => {
    upstream.respond(({ method, target }, response) => {
      if (method === "POST") response.writeHead(202, { Location: "/jobs/1" }).end();
      else response.end(`result of ${target}`);
    });
    const answer = await post("k2", 1, { "Sticky-Callback": "shop" });
    expect(await answer.text()).to.equal("result of /jobs/1");
    await shop.arrived(1);
    await until(() => shop.last.ended);
    expect(JSON.parse(shop.last.body.toString())).to.include({ type: "process.completed" });
  });

  it("exits with 69 and one line when Redis is away", async () => {
    expect((await run("ps", "--redis", "redis://127.0.0.1:1")).code).to.equal(69);
  });
});
