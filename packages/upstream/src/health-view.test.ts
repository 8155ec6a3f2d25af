import { asMonotonicMs } from "@sticky-proxy/protocol";
import type { ProbeState, Service } from "@sticky-proxy/core/registry";
import { expect } from "chai";
import { createHealthView } from "./health-view.ts";

describe("the view of shared health results", () => {
  let now = 0;
  let published: Record<string, ProbeState> = {};
  let isAway = false;
  let services: Service[];
  const changes: string[] = [];

  function view() {
    services = [
      { name: "a", health: { path: "/" }, instances: [{ name: "one" }, { name: "two" }] },
      { name: "unchecked", health: null, instances: [{ name: "one" }] },
    ] as unknown as Service[];
    changes.length = 0;
    return createHealthView({
      services: () => services,
      shared: {
        async health() {
          if (isAway) throw new Error("away");
          return new Map(Object.entries(published).map(([name, state]) => [name, { state }]));
        },
      },
      clock: { monotonic: () => asMonotonicMs(now) },
      onChange: (service, instance, state) => changes.push(`${service} ${instance} ${state}`),
    });
  }
  beforeEach(() => {
    isAway = false;
    published = { one: "down", two: "up" };
  });

  it("returns what the prober has published, and reports each change once", async () => {
    const health = view();
    expect(health.get("a", "one"), "before the first look").to.equal("unknown");
    await health.refresh();
    await health.refresh();
    expect([health.get("a", "one"), health.get("a", "two")]).to.deep.equal(["down", "up"]);
    expect(health.get("unchecked", "one")).to.equal("unknown");
    published = { two: "up" };
    await health.refresh();
    expect(health.get("a", "one"), "no longer published").to.equal("unknown");
    expect(changes).to.deep.equal(["a one down", "a two up", "a one unknown"]);
  });

  it("treats every result as unknown when it was not read for 10 s", async () => {
    const health = view();
    await health.refresh();
    isAway = true;
    now += 10_000;
    await health.refresh().catch(() => undefined);
    expect(health.get("a", "one")).to.equal("down");
    now += 1;
    expect(health.get("a", "one")).to.equal("unknown");
  });

  it("forgets a service that is no longer configured", async () => {
    const health = view();
    await health.refresh();
    services = [];
    await health.refresh();
    expect(health.get("a", "one")).to.equal("unknown");
  });
});
