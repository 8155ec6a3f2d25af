import type { Service } from "@sticky-proxy/core/registry";
import { createMetrics } from "@sticky-proxy/runtime";
import type { TrafficSnapshot } from "@sticky-proxy/upstream";
import { expect } from "chai";
import { exportTraffic } from "./traffic-gauges.ts";

const instance = (name: string) => ({ name, origin: `http://${name}`, weight: 1 });
const service = (name: string, ...instances: string[]) =>
  ({ name, instances: instances.map(instance) }) as unknown as Service;

describe("traffic gauges", () => {
  it("show at each scrape what the node knows then, and nothing of what is configured no more", async () => {
    const metrics = createMetrics({ version: "1", node: "n", configHash: "", services: [], routes: [] });
    let services = [service("pay", "a", "b", "c"), service("idle", "d")];
    let seen: TrafficSnapshot[] = [];
    exportTraffic({
      services: () => services,
      traffic: { traffic: () => seen },
      health: { get: (_service, name) => (name === "b" ? "down" : "unknown") },
      metrics,
    });
    const scrape = async () => (await metrics.registry.metrics()).split("\n");

    expect(await scrape()).to.include.members([
      'sticky_proxy_instance_state{service="pay",instance="a"} 1',
      'sticky_proxy_instance_state{service="pay",instance="b"} 0',
      'sticky_proxy_breaker_state{service="pay"} 0',
      'sticky_proxy_queue_depth{service="idle"} 0',
      'sticky_proxy_panic{service="idle"} 0',
    ]);

    const one = { origin: "http://a", inFlight: 1, latencyMs: 5, ejected: true, paused: false };
    seen = [{ service: "pay", inFlight: 3, queued: 2, breaker: "half-open", panic: true, instances: [one] }];
    expect(await scrape()).to.include.members([
      'sticky_proxy_instance_state{service="pay",instance="a"} 0',
      'sticky_proxy_instance_state{service="pay",instance="c"} 1',
      'sticky_proxy_breaker_state{service="pay"} 0.5',
      'sticky_proxy_queue_depth{service="pay"} 2',
      'sticky_proxy_panic{service="pay"} 1',
    ]);

    seen = [{ ...seen[0]!, instances: [{ ...one, ejected: false, paused: true }] }];
    expect(await scrape()).to.include('sticky_proxy_instance_state{service="pay",instance="a"} 0');

    services = [service("idle", "d")];
    expect((await scrape()).filter((line) => line.includes('service="pay",instance='))).to.deep.equal([]);
  });
});
