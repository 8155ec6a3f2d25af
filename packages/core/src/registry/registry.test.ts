import { expect } from "chai";
import fc from "fast-check";

import { chooseInstance, fadedLatency, loadOf, smoothLatency, type Candidate } from "./balance.ts";
import {
  defaultEjection,
  observed,
  probed,
  slowStart,
  unprobed,
  unseen,
  usableInstances,
  type InstanceHealth,
  type PassiveHealth,
} from "./health.ts";
import { inMatchOrder, matchRoute, matchService } from "./match.ts";
import type { Route, Service } from "./service.ts";

function serviceAt(
  name: string,
  path: string,
  host: string | null = null,
  routes: readonly Partial<Route>[] = [],
): Service {
  return { name, match: { path, host }, hostAliases: new Map(), routes } as unknown as Service;
}

describe("matching a request to a service and a route", () => {
  const services = inMatchOrder([
    serviceAt("all", "/"),
    serviceAt("a", "/a"),
    serviceAt("ab", "/a/b"),
    serviceAt("hosted", "/", "h.example"),
    serviceAt("hosted-a", "/a", "h.example"),
  ]);
  const found = (host: string | null, path: string): string | null =>
    matchService(services, host, path)?.service.name ?? null;

  it("a named host goes before any host, a longer prefix before a shorter one", () => {
    expect(found("h.example", "/a/b")).to.equal("hosted-a");
    expect(found("h.example", "/x")).to.equal("hosted");
    expect(found("other", "/a/b/c")).to.equal("ab");
    expect(found(null, "/a/x")).to.equal("a");
    expect(found(null, "/abc")).to.equal("all");
  });

  it("finds no service where none matches", () => {
    expect(matchService(inMatchOrder([serviceAt("a", "/a")]), null, "/b")).to.equal(null);
  });

  it("the first route that matches wins, none is plain proxying", () => {
    const routes = [
      { name: "one", match: { methods: ["POST"], path: "/x" } },
      { name: "two", match: { methods: [], path: "/x/y" } },
      { name: "three", match: { methods: [], path: "/x" } },
    ];
    const service = serviceAt("s", "/", null, routes as unknown as Route[]);
    expect(matchRoute(service, "POST", "/x/y")?.name).to.equal("one");
    expect(matchRoute(service, "GET", "/x/y")?.name).to.equal("two");
    expect(matchRoute(service, "GET", "/x")?.name).to.equal("three");
    expect(matchRoute(service, "GET", "/z")).to.equal(null);
  });
});

describe("the choice of an instance", () => {
  const instance = { name: "i", origin: "http://i", weight: 1 };
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const candidates = fc.array(
    fc.record({
      instance: fc.constant(instance),
      inFlight: fc.nat(50),
      latencyMs: fc.nat(500),
      weight: fc.integer({ min: 1, max: 9 }),
    }),
    { minLength: 1, maxLength: 6 },
  );

  it("property: it is one of the candidates, and never the worst of two or more", () => {
    fc.assert(
      fc.property(candidates, random, random, (list: Candidate[], first, second) => {
        const chosen = chooseInstance(list, first, second)!;
        expect(list).to.include(chosen);
        if (list.length < 2) return;
        const loads = list.map(loadOf);
        const worst = Math.max(...loads);
        if (loads.filter((load) => load === worst).length === 1) expect(loadOf(chosen)).to.be.lessThan(worst);
      }),
    );
  });

  it("chooses no instance where there are no candidates", () =>
    expect(chooseInstance([], 0, 0)).to.equal(null));

  it("takes a rise of the latency at once and a fall gradually", () => {
    expect(smoothLatency(0, 50)).to.equal(50);
    expect(smoothLatency(50, 500)).to.equal(500);
    expect(smoothLatency(500, 0)).to.equal(400);
  });

  it("lets an old measurement fade", () => {
    expect(fadedLatency(500, 0)).to.equal(500);
    expect(fadedLatency(500, 2_000)).to.equal(250);
    expect(fadedLatency(500, 60_000)).to.be.below(0.001);
  });
});

describe("the health of instances", () => {
  const policy = { rise: 2, fall: 3 };

  it("the first check decides, later ones need a streak, and a contradiction begins it anew", () => {
    let health = probed(unprobed, true, policy);
    expect(health.state).to.equal("up");
    health = probed(probed(health, false, policy), false, policy);
    health = probed(health, true, policy);
    health = probed(probed(health, false, policy), false, policy);
    expect(health.state).to.equal("up");
    health = probed(health, false, policy);
    expect(health.state).to.equal("down");
    expect(probed(probed(health, true, policy), true, policy).state).to.equal("up");
  });

  function failing(times: number, from: PassiveHealth = unseen, now = 0): PassiveHealth {
    let health = from;
    for (let i = 0; i < times; i += 1) health = observed(health, true, now, 0);
    return health;
  }

  it("ejects after failures in a row, each time for longer, until a success resets the count", () => {
    expect(failing(defaultEjection.failures - 1).ejectedUntil).to.equal(0);
    const once = failing(defaultEjection.failures);
    expect(once.ejectedUntil).to.equal(defaultEjection.baseMs);
    const twice = failing(defaultEjection.failures, once, once.ejectedUntil);
    expect(twice.ejectedUntil - once.ejectedUntil).to.equal(2 * defaultEjection.baseMs);
    expect(observed(twice, false, 0, 0).ejections).to.equal(0);
    const mixed = observed(failing(defaultEjection.failures - 1), false, 0, 0);
    expect(failing(defaultEjection.failures - 1, mixed).ejectedUntil).to.equal(0);
  });

  it("gives a returning instance its weight back gradually", () => {
    const health = { ...unseen, returnedAt: 1_000 };
    expect(slowStart(health, 1_000)).to.equal(0.1);
    expect(slowStart(health, 6_000)).to.equal(0.5);
    expect(slowStart(health, 20_000)).to.equal(1);
    expect(slowStart(unseen, 0)).to.equal(1);
  });

  const up: InstanceHealth = { probe: "up", passive: unseen };
  const down: InstanceHealth = { probe: "down", passive: unseen };
  const ejected: InstanceHealth = { probe: "up", passive: { ...unseen, ejectedUntil: 100 } };

  it("down and ejected instances are left out, unknown ones are not", () => {
    const unknown: InstanceHealth = { probe: "unknown", passive: unseen };
    expect(usableInstances([up, down, unknown], 0)).to.deep.equal({ instances: [up, unknown], panic: false });
    expect(usableInstances([up, ejected], 0)).to.deep.equal({ instances: [up], panic: false });
    expect(usableInstances([up, ejected], 100).instances).to.deep.equal([up, ejected]);
  });

  it("uses all instances when less than half are usable, and none when all are down", () => {
    expect(usableInstances([up, down, down], 0)).to.deep.equal({ instances: [up, down, down], panic: true });
    expect(usableInstances([up, down], 0)).to.deep.equal({ instances: [up], panic: false });
    expect(usableInstances([down, down], 0)).to.deep.equal({ instances: [], panic: false });
  });

  it("property: a service with an instance that is not down always has one to use, and at most half are ejected", () => {
    const any = fc.constantFrom(up, down, ejected);
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 9 }), (all) => {
        const { instances, panic } = usableInstances(all, 0);
        if (all.every(({ probe }) => probe === "down")) expect(instances).to.have.lengthOf(0);
        else expect(instances.length).to.be.greaterThan(0);
        if (!panic && instances.length > 0)
          expect(instances.length * 2).to.be.at.least(all.length - (all.length % 2));
      }),
    );
  });
});
