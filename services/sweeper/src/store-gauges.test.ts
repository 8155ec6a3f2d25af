import { createTestWorld } from "@sticky-proxy/core/testing";
import type { Draft } from "@sticky-proxy/core/process";
import { createMetrics } from "@sticky-proxy/runtime";
import { expect } from "chai";
import { exportStore, forgetStore, type StoreGauges } from "./store-gauges.ts";

describe("gauges of the whole store", () => {
  function world() {
    const { clock, store: memory, draft } = createTestWorld();
    const metrics = createMetrics({ version: "1", node: "n", configHash: "", services: [], routes: [] });
    const gauges: StoreGauges = {
      store: memory,
      cacheBytes: async () => 12_345,
      services: () => ["pay", "idle"],
      now: clock.now,
      metrics,
    };
    const add = (service: string, fields: Draft["fields"] = {}) =>
      memory.create(draft({ service, ...fields }), { withResult: false });
    const scrape = async () => (await metrics.registry.metrics()).split("\n");
    return { clock, memory, metrics, gauges, add, scrape };
  }

  it("say how many processes there are, how old the oldest is, what is dead and what the cache holds", async () => {
    const { clock, gauges, add, scrape } = world();
    await add("pay");
    clock.advance(30_000);
    await add("pay");
    await add("pay", { status: "failed", deadLetter: "callback" });
    await add("gone-from-the-configuration", { status: "failed", deadLetter: "upstream" });
    await exportStore(gauges);
    const lines = await scrape();
    expect(lines).to.include.members([
      'sticky_proxy_processes{service="pay",status="in-progress"} 2',
      'sticky_proxy_processes{service="pay",status="failed"} 1',
      'sticky_proxy_processes{service="idle",status="completed"} 0',
      'sticky_proxy_process_oldest_age_seconds{service="pay",status="in-progress"} 30',
      'sticky_proxy_process_oldest_age_seconds{service="idle",status="pending"} 0',
      'sticky_proxy_dead_letters{service="pay",class="callback"} 1',
      'sticky_proxy_dead_letters{service="pay",class="upstream"} 0',
      'sticky_proxy_dead_letters{service="unknown",class="upstream"} 1',
      "sticky_proxy_cache_bytes 12345",
    ]);
    expect(lines.join("\n")).not.to.contain("gone-from");
  });

  it("look at a bounded number of dead letters", async () => {
    const { gauges, memory } = world();
    let pages = 0;
    await exportStore({
      ...gauges,
      store: {
        count: (service) => memory.count(service),
        oldestAt: (service, status) => memory.oldestAt(service, status),
        async deadLetters() {
          pages += 1;
          return { items: [], next: "more" };
        },
      },
    });
    expect(pages).to.equal(5);
  });

  it("are gone when the leader steps down", async () => {
    const { gauges, metrics, add, scrape } = world();
    await add("pay");
    await exportStore(gauges);
    forgetStore(metrics);
    expect(
      (await scrape()).filter((line) => /^sticky_proxy_(processes|process_oldest|dead_letters)/.test(line)),
    ).to.deep.equal([]);
  });
});
