import { testRoute, testService } from "@sticky-proxy/core/testing";
import type { Service } from "@sticky-proxy/core/registry";
import { expect } from "chai";
import { matchServiceStep } from "./match-service.ts";
import { serviceFinder } from "./service-finder.ts";
import { outcomeOf, testContext, testHead, testState } from "./testing.ts";

const posts = testRoute({ name: "posts", match: { methods: ["POST"], path: "/jobs" } });
const pay = testService({ name: "pay", match: { ...testService().match, path: "/pay" }, routes: [posts] });
const all = testService({ name: "all", match: { ...testService().match, path: "/" }, routes: [posts] });

const step = (services: readonly Service[], development = false) =>
  matchServiceStep({ find: serviceFinder(() => services), services: () => services, development });

async function matched(services: readonly Service[], method: string, path: string, receivedPath = path) {
  const state = testState({ head: testHead({ method, path }), receivedPath, service: null, route: null });
  const outcome = await outcomeOf(step(services), testContext(state).ctx);
  return { outcome, found: [state.service?.name, state.route?.name, state.serviceHead.path] };
}

describe("the step that finds the service", () => {
  for (const { what, services, method, path, received, found } of [
    {
      what: "finds service and route, and cuts the prefix off",
      services: [pay],
      method: "POST",
      path: "/pay/jobs/1",
      found: ["pay", "posts", "/jobs/1"],
    },
    {
      what: "finds a service without a route for the method",
      services: [pay],
      method: "GET",
      path: "/pay/jobs/1",
      found: ["pay", undefined, "/jobs/1"],
    },
    {
      what: "prefers the longer prefix, whatever the order",
      services: [all, pay],
      method: "GET",
      path: "/pay/x",
      found: ["pay", undefined, "/x"],
    },
    {
      what: "passes the path octet for octet to a service at / without a route",
      services: [all],
      method: "GET",
      path: "/a/b",
      received: "/a/%62",
      found: ["all", undefined, "/a/%62"],
    },
    {
      what: "passes the normalised path where a route has a policy for it",
      services: [all],
      method: "POST",
      path: "/jobs/b",
      received: "/jobs/%62",
      found: ["all", "posts", "/jobs/b"],
    },
  ]) {
    it(what, async () => {
      expect(await matched(services, method, path, received)).to.deep.equal({ outcome: "next", found });
    });
  }

  it("answers 404 where no service takes the path", async () => {
    const { outcome, found } = await matched([pay], "GET", "/other");
    expect(outcome).to.include({ slug: "service-not-found", status: 404 });
    expect(found[0]).to.equal(undefined);
  });

  it("a 404 says that a prefix is missing, and names services in development alone", async () => {
    const told = async (development: boolean): Promise<string> => {
      const state = testState({ head: testHead({ method: "POST", path: "/jobs" }), service: null });
      return String(await outcomeOf(step([pay], development), testContext(state).ctx));
    };
    expect(await told(false))
      .to.match(/prefix of its service/)
      .and.not.match(/\/pay/);
    expect(await told(true)).to.match(/Here: \/pay\. Was \/pay\/jobs meant\?/);
  });

  for (const [path, opted] of [
    ["/pay/jobs/a%2Fb", "encodedSlash"],
    ["/pay/jobs//b", "emptySegments"],
  ] as const) {
    it(`${path} is refused unless its route says ${opted}`, async () => {
      expect((await matched([pay], "POST", path)).outcome).to.include({ slug: "path-invalid", status: 400 });
      const open = { ...pay, routes: [{ ...posts, [opted]: true }] };
      const { outcome, found } = await matched([open], "POST", path);
      expect([outcome, found[2]]).to.deep.equal(["next", path.slice(4)]);
      const other = opted === "encodedSlash" ? "emptySegments" : "encodedSlash";
      const wrong = { ...pay, routes: [{ ...posts, [other]: true }] };
      expect((await matched([wrong], "POST", path)).outcome).to.include({ slug: "path-invalid" });
    });
  }

  it("what is removed or encoded in a path is so for the service too", async () => {
    expect((await matched([all], "GET", "/a/b", "/./a/b")).found[2]).to.equal("/a/b");
    expect((await matched([all], "GET", "/a%5Bb", "/a[b")).found[2]).to.equal("/a%5Bb");
  });

  it("sees a registry that changed", () => {
    let services: readonly Service[] = [pay];
    const find = serviceFinder(() => services);
    const at = { head: testHead({ path: "/x" }), host: null, receivedPath: "/x" };
    expect(find(at)).to.equal(null);
    services = [all];
    expect(find(at)?.service).to.equal(all);
  });
});

describe("a write to a service that may be moved", () => {
  const migration = { to: "other", maxDifferenceRate: 0, minCompared: 1, barrierMs: 60_000 };
  const before = { ...pay, migration };
  const after = { ...before, honoursKey: true };

  async function matchedUnder(holds: ("stale" | "barrier" | null)[], method = "POST") {
    let services: readonly Service[] = [before];
    const find = serviceFinder(() => services);
    const migrations = {
      holdOf: () => holds[0] ?? null,
      next: async () => {
        holds.shift();
        services = [after];
      },
    };
    const state = testState({ head: testHead({ method, path: "/pay/jobs" }), service: null, route: null });
    const move = matchServiceStep({ find, services: () => services, development: false, migrations });
    return { outcome: await outcomeOf(move, testContext(state).ctx), service: state.service };
  }

  it("waits for the barrier to fall, and is then matched anew", async () => {
    const { service } = await matchedUnder(["barrier", "barrier", null]);
    expect(service).to.equal(after);
  });

  it("is refused where this node cannot learn who answers", async () => {
    const { outcome, service } = await matchedUnder(["stale"]);
    expect(outcome).to.include({ slug: "store-unavailable", executed: "no" });
    expect(service).to.equal(null);
  });
});
