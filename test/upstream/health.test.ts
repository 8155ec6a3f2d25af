import { asMonotonicMs } from "@sticky-proxy/protocol";
import type { Service } from "@sticky-proxy/core/registry";
import { FakeUpstream, ManualClock } from "@sticky-proxy/testkit";
import { expect } from "chai";

import { service } from "../http/gateway.ts";

import {
  createAddressGuard,
  createOutboundCaller,
  createProber,
  type ProbeResult,
} from "@sticky-proxy/upstream";

describe("the prober", () => {
  let upstream: FakeUpstream;
  const caller = createOutboundCaller(createAddressGuard({ allowPrivate: true }));
  const clock = new ManualClock();
  let published: ProbeResult[][];
  let status: number;

  beforeEach(async () => {
    published = [];
    status = 200;
    upstream = await FakeUpstream.start((_request, response) => response.writeHead(status).end());
  });

  afterEach(() => upstream.close());

  after(() => caller.close());

  function prober(more: Partial<Pick<Service, "health">> = {}) {
    const services = [
      service(upstream.origin, {
        health: { path: "/health?x", intervalMs: 1000, timeoutMs: 500, rise: 2, fall: 3 },
        ...more,
      }),
    ];
    const made = createProber({
      services: () => services,
      caller,
      publish: async (results) => void published.push([...results]),
      clock: { monotonic: () => asMonotonicMs(clock.now()) },
      random: () => 0.5,
    });
    return { ...made, services };
  }

  async function rounds(made: { tick(): Promise<void> }, count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      await clock.tick(1000);
      await made.tick();
    }
  }

  it("the first check decides; after that three failures take out and two successes bring back", async () => {
    const made = prober();
    await made.tick();
    expect(upstream.last.target).to.equal("/health?x");
    expect(made.view.get("up", "up-0")).to.equal("up");
    status = 503;
    await rounds(made, 2);
    expect(made.view.get("up", "up-0")).to.equal("up");
    await rounds(made, 1);
    expect(made.view.get("up", "up-0")).to.equal("down");
    status = 200;
    await rounds(made, 1);
    expect(made.view.get("up", "up-0")).to.equal("down");
    await rounds(made, 1);
    expect(made.view.get("up", "up-0")).to.equal("up");
    expect(published.at(-1)).to.deep.equal([
      { service: "up", instance: "up-0", state: "up", reason: "answered 200", ttlMs: 3500 },
    ]);
  });

  it("a redirect is not followed, not healthy, and told", async () => {
    status = 302;
    const made = prober();
    await made.tick();
    expect(upstream.requests).to.have.lengthOf(1);
    const { state, reason } = published[0]![0]!;
    expect(state).to.equal("down");
    expect(reason).to.match(/answered 302: a redirect/);
  });

  it("an instance that cannot be reached is down", async () => {
    const made = prober();
    await upstream.close();
    await made.tick();
    expect(made.view.get("up", "up-0")).to.equal("down");
  });

  it("nothing is checked before it is due, and a removed instance is forgotten", async () => {
    const made = prober();
    await made.tick();
    await made.tick();
    expect(upstream.requests).to.have.lengthOf(1);
    made.services.length = 0;
    await rounds(made, 1);
    expect(made.view.get("up", "up-0")).to.equal("unknown");
    expect(upstream.requests).to.have.lengthOf(1);
  });

  it("a service without a health policy is never called", async () => {
    const made = prober({ health: null });
    await made.tick();
    expect(upstream.requests).to.have.lengthOf(0);
    expect(made.view.get("up", "up-0")).to.equal("unknown");
  });

  it("two ticks at once run one round", async () => {
    const made = prober();
    await Promise.all([made.tick(), made.tick()]);
    expect(upstream.requests).to.have.lengthOf(1);
  });
});
