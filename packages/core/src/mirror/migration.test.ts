import { expect } from "chai";
import { testRoute, testService } from "../testing/index.ts";
import type { MirrorPolicy, Service } from "../registry/service.ts";
import { coverageOf } from "./coverage.ts";
import { areDrained, gatesOf } from "./migration-gates.ts";
import { configuredPhase, servicesUnder, type MigrationState, type NodeView } from "./migration.ts";

const mirror = { to: "b", mode: "dual-write", rate: 0.5 } as MirrorPolicy;
const instance = (name: string) => ({ name, origin: `http://${name}`, weight: 1 });
const a: Service = testService({
  name: "a",
  instances: [instance("one")],
  honoursKey: true,
  migration: { to: "b", maxDifferenceRate: 0.1, minCompared: 2, barrierMs: 3000 },
  routes: [
    testRoute({ name: "reads", match: { methods: ["GET"], path: "/x" }, mirror }),
    testRoute({ name: "all", match: { methods: [], path: "/" }, mirror }),
    testRoute({ name: "plain", match: { methods: ["GET"], path: "/y" }, mirror: null }),
  ],
});
const b: Service = testService({ name: "b", instances: [instance("two")], match: { host: "", path: "/" } });
const state = (more: Partial<MigrationState> = {}): MigrationState => ({
  epoch: 1,
  authority: "first",
  phase: "dual-write",
  since: 0,
  ...more,
});

describe("what a migration's state means for the services", () => {
  const under = (more: Partial<MigrationState>) => servicesUnder([a, b], new Map([["a", state(more)]]));

  it("nobody has changed it: the file holds, as the same array", () => {
    const services = [a, b];
    expect(servicesUnder(services, new Map())).to.equal(services);
    expect(configuredPhase(a)).to.equal("dual-write");
    expect(configuredPhase(b)).to.equal("off");
  });

  it("the second authority: backends are exchanged, names, matches and routes stay (M1)", () => {
    const [front, other] = under({ authority: "second" });
    expect([front!.name, front!.instances[0]!.name, front!.honoursKey]).to.deep.equal(["a", "two", false]);
    expect(front!.match).to.deep.equal(a.match);
    expect([other!.name, other!.instances[0]!.name, other!.honoursKey]).to.deep.equal(["b", "one", true]);
    expect(other!.match.host).to.equal("");
    expect(front!.routes[1]!.mirror!.to).to.equal("b");
  });

  for (const { phase, modes } of [
    { phase: "off", modes: ["off", "off", undefined] },
    { phase: "dual-read", modes: ["dual-read", "dual-read", undefined] },
    { phase: "dual-write", modes: ["dual-read", "dual-write", undefined] },
  ] as const) {
    it(`phase ${phase}: the routes' modes`, () => {
      expect(under({ phase })[0]!.routes.map((route) => route.mirror?.mode)).to.deep.equal(modes);
    });
  }

  it("a backend's own credential goes with it, and to no other", () => {
    const fields = { set: new Map([["authorization", "Bearer two"]]) };
    const [front, other] = servicesUnder(
      [a, { ...b, fields }],
      new Map([["a", state({ authority: "second" })]]),
    );
    expect([...front!.fields!.set]).to.deep.equal([["authorization", "Bearer two"]]);
    expect([...other!.fields!.set]).to.deep.equal([]);
  });

  it("durable copies are not sampled", () => {
    expect(under({})[0]!.routes.map((route) => route.mirror?.rate)).to.deep.equal([0.5, 1, undefined]);
  });
});

describe("the gates of a switch", () => {
  const view = (more: Partial<NodeView> = {}): NodeView => ({
    node: "n",
    barrier: "",
    writes: 0,
    ageMs: 100,
    ...more,
  });
  const good: readonly (readonly [string, number])[] = [
    ["eligible", 10],
    ["matched", 10],
  ];
  function closed(
    given: {
      readonly route?: string;
      readonly counters?: readonly (readonly [string, number])[];
      readonly phase?: MigrationState["phase"];
      readonly lag?: { entries: number; parkedKeys: number };
      readonly views?: readonly NodeView[];
    },
    token: string | null = null,
  ): readonly string[] {
    const coverage = [
      { service: "a", route: given.route ?? "all", coverage: coverageOf(given.counters ?? good) },
    ];
    const lag = { bytes: 0, oldestMs: null, entries: 0, parkedKeys: 0, ...given.lag };
    const facts = {
      service: a,
      state: state({ phase: given.phase ?? "dual-write" }),
      coverage,
      lag,
      views: given.views ?? [view()],
    };
    return gatesOf(facts, token)
      .filter(({ isOpen }) => !isOpen)
      .map(({ name }) => name);
  }

  it("all are open where all is well, and the lag is asked for below the barrier alone", () => {
    const lag = { entries: 3, parkedKeys: 0 };
    expect(closed({ lag })).to.deep.equal([]);
    expect(closed({ lag, views: [view({ barrier: "t" })] }, "t")).to.deep.equal(["lag"]);
  });

  for (const { what, given, names } of [
    { what: "a phase without copies of writes", given: { phase: "dual-read" as const }, names: ["phase"] },
    {
      what: "a write that was not copied",
      given: { counters: [...good, ["skipped:gap", 1]] },
      names: ["copied"],
    },
    { what: "a copy that was given up", given: { counters: [...good, ["failed", 1]] }, names: ["copied"] },
    { what: "too few pairs", given: { counters: [["matched", 1]] }, names: ["compared"] },
    {
      what: "too many differences",
      given: {
        counters: [
          ["matched", 8],
          ["different", 1],
        ],
      },
      names: ["differences"],
    },
    {
      what: "a key that stands aside",
      given: { lag: { entries: 1, parkedKeys: 1 } },
      names: ["parked"],
    },
    { what: "a node that fell silent", given: { views: [view({ ageMs: 5000 })] }, names: ["nodes"] },
  ] as const) {
    it(`${what} closes one`, () => expect(closed(given)).to.deep.equal(names));
  }

  it("a read that was not copied is no write that is lacking, and few differences may be", () => {
    const counters = [
      ["matched", 18],
      ["different", 2],
      ["skipped:shed", 9],
    ] as const;
    expect(closed({ route: "reads", counters })).to.deep.equal([]);
  });

  it("drained: every node obeys this very barrier and has nothing under way; one that left silent after that is no hindrance", () => {
    const done = view({ barrier: "t" });
    expect(areDrained([done], "t")).to.equal(true);
    expect(areDrained([done, view({ barrier: "older" })], "t")).to.equal(false);
    expect(areDrained([done, view({ barrier: "t", writes: 1 })], "t")).to.equal(false);
    expect(closed({ views: [view({ barrier: "t", ageMs: 5000 })] }, "t")).to.deep.equal([]);
  });
});
