/** After a few requests of each kind, /metrics on the ops port shows them, under the names that people alert on. */
import { setTimeout as sleep } from "node:timers/promises";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startCluster, type Cluster, type Node } from "../support/cluster.ts";
import { until } from "../support/until.ts";

type Labels = Readonly<Record<string, string>>;

/** The sum of all series of a metric that carry at least these labels; null: there is none. */
function valueOf(text: string, name: string, labels: Labels): number | null {
  const values = text.split("\n").flatMap((line) => {
    const found = /^sticky_proxy_([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (found === null || found[1] !== name) return [];
    const has = Object.entries(labels).every(([label, value]) => found[2]?.includes(`${label}="${value}"`));
    return has ? [Number(found[3])] : [];
  });
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0);
}

const secret = `whsec_${Buffer.alloc(24, 3).toString("base64")}`;
const purgeToken = "a-purge-token-of-some-length-0123456789";

describe("/metrics of a proxy and a sweeper", function () {
  this.timeout(60_000);
  let upstream: FakeUpstream;
  let failing: FakeUpstream;
  let cluster: Cluster;
  let proxy: Node;

  before(async () => {
    upstream = await FakeUpstream.start();
    failing = await FakeUpstream.start((_request, response) => response.writeHead(503).end());
    upstream.respond((request, response) => {
      if (request.target.startsWith("/accepted")) response.writeHead(202).end();
      else if (!request.target.startsWith("/silent"))
        response.writeHead(200, { "Cache-Control": "max-age=60" }).end("hello");
    });
    cluster = await startCluster({
      proxies: 1,
      sweepers: 0,
      config: {
        cache: { purgeToken },
        webhooks: { shop: { url: `${upstream.origin}/hook`, secrets: [secret], allowPrivate: true } },
        services: {
          pay: {
            instances: [{ url: upstream.origin, name: "one" }],
            timeouts: { firstByteMs: 1000 },
            routes: [
              {
                name: "jobs",
                match: { path: "/accepted" },
                process: { identity: "key", completion: "callback" },
              },
              { name: "short", match: { path: "/silent" }, process: { identity: "key", waitMs: 50 } },
              { name: "charges", process: { identity: "key" } },
            ],
          },
          shop: { instances: [upstream.origin], routes: [{ name: "items", cache: {} }] },
          bad: {
            instances: [{ url: failing.origin, name: "broken" }],
            breaker: { failures: 5, openMs: 60_000 },
          },
        },
      },
    });
    proxy = cluster.proxies[0]!;
  });
  after(async () => {
    await cluster?.stop();
    await Promise.all([upstream?.close(), failing?.close()]);
  });

  const scrape = async (node: Node): Promise<string> => (await fetch(`${node.opsUrl}/metrics`)).text();
  async function expectMoved(
    node: Node,
    expected: readonly (readonly [string, Labels, number?])[],
  ): Promise<void> {
    const look = async () => {
      const text = await scrape(node);
      return expected.filter(([name, labels, value]) => {
        const seen = valueOf(text, name, labels);
        return value === undefined ? (seen ?? 0) <= 0 : seen !== value;
      });
    };
    // A request is counted when its connection has taken the answer, which the client may have read by then.
    let wrong = await look();
    for (let again = 0; again < 40 && wrong.length > 0; again += 1) {
      await sleep(50);
      wrong = await look();
    }
    expect(wrong).to.deep.equal([]);
  }
  async function send(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(`${proxy.url}${path}`, init);
    await response.arrayBuffer();
    return response;
  }
  const post = (path: string, key: string, headers: Labels = {}) =>
    send(path, { method: "POST", body: "{}", headers: { "Idempotency-Key": key, ...headers } });

  it("shows processes: verdicts, transitions, waits, callbacks and refusals", async () => {
    await post("/pay/charges", "k1");
    await post("/pay/charges", "k1");
    expect((await post("/pay/silent", "k2")).status).to.equal(504);
    const job = await post("/pay/accepted", "k3", { Prefer: "respond-async", "Sticky-Callback": "shop" });
    expect(job.status).to.equal(202);
    const id = job.headers.get("sticky-process-id")!;
    const asked = await until(() => upstream.requests.find(({ target }) => target === "/accepted") ?? null);
    const complete = (token: string) =>
      send(`/_sticky/v1/executions/${id}/complete`, {
        method: "POST",
        headers: { "Sticky-Execution": token, "Content-Type": "application/json" },
        body: "{}",
      });
    const token = asked.headers.get("sticky-execution")!;
    expect((await complete("1.wrong")).status).to.equal(401);
    expect((await complete(token)).status).to.equal(200);

    await expectMoved(proxy, [
      ["verdicts_total", { service: "pay", verdict: "start" }, 3],
      ["verdicts_total", { service: "pay", verdict: "replay" }, 1],
      ["process_transitions_total", { service: "pay", from: "none", to: "in-progress" }, 3],
      ["process_transitions_total", { service: "pay", from: "in-progress", to: "completed" }, 2],
      ["process_duration_seconds_count", { service: "pay", result: "completed" }, 2],
      ["wait_seconds_count", { service: "pay", outcome: "answered" }, 1],
      ["wait_seconds_count", { service: "pay", outcome: "timeout" }, 1],
      ["waiters", { service: "pay" }, 0],
      ["callbacks_total", { service: "pay", outcome: "unauthorized" }, 1],
      ["callbacks_total", { service: "pay", outcome: "accepted" }, 1],
      ["auth_failures_total", { action: "callback" }, 1],
      ["redis_command_duration_seconds_count", { command: "create" }],
      ["redis_up", {}, 1],
      ["http_requests_in_flight", {}, 0],
    ]);
  });

  it("shows requests and what the node sees of its services", async () => {
    for (let i = 0; i < 6; i += 1) await send("/bad/x", { method: "PROPFIND" });
    await expectMoved(proxy, [
      [
        "http_request_duration_seconds_count",
        { service: "pay", route: "charges", method: "POST", status_class: "2xx" },
        2,
      ],
      [
        "http_request_duration_seconds_count",
        { service: "bad", route: "none", method: "_OTHER", status_class: "5xx" },
        6,
      ],
      ["http_request_size_bytes_sum", { route: "charges" }, 4],
      ["http_response_size_bytes_sum", { route: "charges" }],
      ["upstream_request_duration_seconds_count", { service: "pay", method: "POST", outcome: "ok" }],
      ["upstream_request_duration_seconds_count", { service: "bad", method: "_OTHER", outcome: "5xx" }, 5],
      ["instance_state", { service: "pay", instance: "one" }, 1],
      ["instance_state", { service: "bad", instance: "broken" }, 0],
      ["instance_ejections_total", { service: "bad", instance: "broken" }, 1],
      ["breaker_state", { service: "pay" }, 0],
      ["breaker_state", { service: "bad" }, 1],
      ["queue_depth", { service: "bad" }, 0],
      ["panic", { service: "bad" }, 0],
    ]);
  });

  it("shows the cache and its purges", async () => {
    await send("/shop/item");
    await until(async () => (await send("/shop/item")).headers.get("x-cache") === "HIT");
    expect((await send("/shop/item", { method: "PURGE" })).status).to.equal(401);
    const bearer = { Authorization: `Bearer ${purgeToken}` };
    expect((await send("/shop/item", { method: "PURGE", headers: bearer })).status).to.equal(200);
    await send("/shop/other");
    await expectMoved(proxy, [
      ["cache_requests_total", { service: "shop", route: "items", result: "MISS" }],
      ["cache_requests_total", { route: "items", result: "HIT" }, 1],
      ["cache_purges_total", { kind: "key" }, 1],
      ["auth_failures_total", { action: "purge" }, 1],
    ]);
  });

  it("shows, on the elected sweeper, deliveries and what the whole store holds", async () => {
    // The service that stayed silent: nobody knows whether it ran.
    await until(
      async () => (valueOf(await scrape(proxy), "executions_unknown_total", { service: "pay" }) ?? 0) > 0,
    );
    const sweeper = await cluster.startSweeper();
    await until(
      async () => (valueOf(await scrape(sweeper), "deliveries_total", { outcome: "delivered" }) ?? 0) > 0,
    );
    await until(async () => valueOf(await scrape(sweeper), "processes", { service: "pay" }) !== null);
    await until(async () => (valueOf(await scrape(sweeper), "cache_bytes", {}) ?? 0) > 0);
    await expectMoved(sweeper, [
      ["deliveries_total", { outcome: "delivered" }, 1],
      ["delivery_duration_seconds_count", { outcome: "delivered" }, 1],
      ["duties_total", { duty: "deliver" }, 1],
      ["processes", { service: "pay", status: "completed" }, 2],
      ["processes", { service: "pay", status: "failed" }, 1],
      ["process_oldest_age_seconds", { service: "pay", status: "in-progress" }, 0],
      ["dead_letters", { service: "pay", class: "upstream" }, 1],
      ["redis_up", {}, 1],
      ["redis_command_duration_seconds_count", { command: "claim-due" }],
      ["sweeper_last_success_timestamp_seconds", {}],
      ["config_reload_success", {}, 1],
      ["config_reload_timestamp_seconds", {}],
      ["build_info", { node: sweeper.name }, 1],
    ]);
    expect(valueOf(await scrape(proxy), "processes", {})).to.equal(null);
  });
});
