import { expect } from "chai";
import { createMetrics, knownMethod, statusClass } from "./metrics.ts";

const create = () =>
  createMetrics({
    version: "1.2.3",
    node: "n1",
    configHash: "abc",
    services: ["pay", "shop"],
    routes: [
      { service: "pay", route: "POST /charges" },
      { service: "shop", route: "default" },
    ],
  });

describe("metrics", () => {
  it("every name has the prefix, and its unit or _total", async () => {
    const all = await create().registry.getMetricsAsJSON();
    for (const { name, type } of all) {
      expect(name).to.match(/^sticky_proxy_[a-z_]+$/);
      if (String(type) === "counter") expect(name).to.match(/_total$/);
      if (String(type) === "histogram") expect(name).to.match(/_(seconds|bytes)$/);
    }
    expect(all.length).to.be.greaterThan(40);
  });

  it("counters of configured services start at 0", async () => {
    const text = await create().registry.metrics();
    expect(text).to.contain('sticky_proxy_verdicts_total{service="pay",verdict="replay"} 0');
    expect(text).to.contain('sticky_proxy_verdicts_total{service="unknown",verdict="mismatch"} 0');
    expect(text).to.contain(
      'sticky_proxy_process_transitions_total{service="pay",from="none",to="in-progress"} 0',
    );
    expect(text).to.contain(
      'sticky_proxy_cache_requests_total{service="pay",route="POST /charges",result="HIT"} 0',
    );
    expect(text, "a route of another service").to.not.contain('service="pay",route="default"');
    expect(text).to.contain('sticky_proxy_build_info{version="1.2.3",node="n1",config_hash="abc"} 1');
  });

  it("handles of counters, gauges and histograms record values", async () => {
    const metrics = create();
    metrics.verdicts.inc({ service: "pay", verdict: "join" }, 2);
    metrics.waiters.inc({ service: "pay" });
    metrics.waiters.dec({ service: "pay" });
    metrics.redisUp.set({}, 1);
    metrics.httpRequestDuration.observe(
      { service: "pay", route: "POST /charges", method: "POST", status_class: "2xx" },
      0.02,
    );
    const text = await metrics.registry.metrics();
    expect(text).to.contain('sticky_proxy_verdicts_total{service="pay",verdict="join"} 2');
    expect(text).to.contain('sticky_proxy_waiters{service="pay"} 0');
    expect(text).to.contain("sticky_proxy_redis_up 1");
    expect(text).to.match(
      /http_request_duration_seconds_bucket\{le="0.025",service="pay",route="POST \/charges".*\} 1/,
    );
  });

  it("a former leader exports no gauges of the whole store", async () => {
    const metrics = create();
    metrics.processes.set({ service: "pay", status: "pending" }, 5);
    metrics.processes.reset();
    expect(await metrics.registry.metrics()).to.not.match(/sticky_proxy_processes\{.*\} 5/);
  });

  it("two sets in one process do not share series", async () => {
    const [one, two] = [create(), create()];
    one.redisUp.set({}, 1);
    expect(await two.registry.metrics()).to.contain("sticky_proxy_redis_up 0");
  });

  it("values that clients choose are mapped to closed sets", () => {
    expect(["GET", "get", "PROPFIND", "__proto__"].map(knownMethod)).to.deep.equal([
      "GET",
      "_OTHER",
      "_OTHER",
      "_OTHER",
    ]);
    expect([100, 204, 304, 404, 599].map(statusClass)).to.deep.equal(["1xx", "2xx", "3xx", "4xx", "5xx"]);
  });
});
