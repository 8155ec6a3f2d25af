import { expect } from "chai";
import { alertsOf, decideAlerts, noSums, sumsBetween, windowSums, type Alert } from "./alerts.ts";
import { coverageOf } from "./coverage.ts";

const policy = {
  shortMs: 1000,
  longMs: 10_000,
  differenceRate: 0.1,
  failureRate: 0.2,
  minCompared: 10,
  lagMs: 5000,
  repeatMs: 60_000,
};
const sums = (more: object) => ({ ...noSums, ...more });

describe("what of the mirror is told", () => {
  const kinds = (more: object): readonly string[] =>
    alertsOf({ service: "a", long: noSums, short: noSums, lag: null, stopped: 0, ...more }, policy).map(
      ({ kind }) => kind,
    );
  const bad = sums({ compared: 100, different: 11 });
  const good = sums({ compared: 100, different: 10 });
  const few = sums({ compared: 9, different: 9 });
  for (const { what, facts, told } of [
    { what: "too many in both windows", facts: { long: bad, short: bad }, told: ["differences"] },
    { what: "a burst in the short window", facts: { long: good, short: bad }, told: [] },
    { what: "what is long over", facts: { long: bad, short: good }, told: [] },
    { what: "too few pairs to have a rate", facts: { long: bad, short: few }, told: [] },
    { what: "a short window that is not known yet", facts: { long: bad, short: null }, told: [] },
    {
      what: "copies that were given up",
      facts: { long: sums({ compared: 7, failed: 3 }), short: sums({ failed: 10 }) },
      told: ["failures"],
    },
    {
      what: "an old copy",
      facts: { lag: { entries: 1, bytes: 0, parkedKeys: 0, oldestMs: 5001 } },
      told: ["lag"],
    },
    { what: "a gap", facts: { long: sums({ lost: 1 }) }, told: ["gaps"] },
    { what: "a stopped key", facts: { stopped: 1 }, told: ["stopped"] },
  ])
    it(`${what}: ${told.join() || "nothing"}`, () => expect(kinds(facts)).to.deep.equal(told));

  it("sums are those of all routes, and of what came between two looks", () => {
    const one = coverageOf([
      ["matched", 3],
      ["different", 2],
      ["failed", 1],
      ["skipped:gap", 4],
      ["skipped:not-applicable", 9],
    ]);
    const all = windowSums([one, one]);
    expect(all).to.deep.equal({ compared: 10, different: 4, failed: 2, lost: 8 });
    expect(sumsBetween(windowSums([one]), all)).to.deep.equal(windowSums([one]));
  });
});

describe("how often an alert is told", () => {
  const alert: Alert = { kind: "gaps", service: "a", found: "1" };
  const decide = (alerts: readonly Alert[], known: readonly (readonly [number, number])[], now: number) =>
    decideAlerts(
      alerts,
      new Map(known.map(([since, toldAt]) => ["gaps a", { since, toldAt }])),
      now,
      policy.repeatMs,
    );

  it("when it begins, again only after a while, and when it is over", () => {
    const first = decide([alert], [], 5);
    expect([...first.begun]).to.deep.equal([["gaps a", { since: 5, toldAt: 0 }]]);
    expect(first.events).to.deep.equal([{ ...alert, name: "gaps a", state: "firing", since: 5, toldAt: 0 }]);
    expect(decide([alert], [[5, 10]], 60_009).events).to.deep.equal([]);
    expect(decide([alert], [[5, 10]], 60_010).events.map(({ since }) => since)).to.deep.equal([5]);
    const last = decide([], [[5, 10]], 99);
    expect(last.events.map(({ state, kind, service }) => [state, kind, service])).to.deep.equal([
      ["resolved", "gaps", "a"],
    ]);
  });

  it("what was not taken is told again with its beginning; what is over untold, to nobody", () => {
    expect(decide([alert], [[5, 0]], 20).events).to.deep.equal([
      { ...alert, name: "gaps a", state: "firing", since: 5, toldAt: 0 },
    ]);
    expect(decide([], [[5, 0]], 20)).to.deep.include({ over: ["gaps a"], events: [] });
  });
});
