import { expect } from "chai";
import { findingsOf, judge } from "./checker.ts";
import type { Execution, History, Operation } from "./history.ts";

const execution = (given: Partial<Execution>): Execution => ({
  number: 1,
  key: "k",
  processId: "p",
  fence: 1,
  operation: "a",
  startedAt: 0,
  endedAt: 10,
  ...given,
});
const operation = (
  given: Partial<Operation>,
  answer: Partial<NonNullable<Operation["answer"]>>,
): Operation => ({
  id: "a",
  kind: "call",
  key: "k",
  startedAt: 0,
  endedAt: 20,
  answer: { status: 200, processId: "p", body: "one", executed: null, ...answer },
  ...given,
});
const good: History = {
  operations: [operation({}, {}), operation({ id: "b", startedAt: 30, endedAt: 40 }, {})],
  executions: [execution({})],
  reports: [{ processId: "p", body: "one", forged: false, answer: "accepted" }],
  stored: [{ id: "p", status: "completed", owner: null, result: "one" }],
  disagreements: [],
};

describe("the chaos checker", () => {
  it("finds nothing in a good history", () => {
    expect(findingsOf(judge(good))).to.deep.equal([]);
  });

  const planted: Record<string, Partial<History>> = {
    doubleExecutions: { executions: [execution({}), execution({ number: 2, startedAt: 20 })] },
    contradictions: { operations: [operation({ id: "c" }, { body: "two" }), ...good.operations] },
    lostResults: { stored: [{ id: "p", status: "completed", owner: null, result: null }], reports: [] },
    stuck: { stored: [...good.stored, { id: "q", status: "in-progress", owner: "n", result: null }] },
    falseNos: { operations: [operation({}, { status: 503, executed: "no", processId: "" })] },
  };
  for (const [name, history] of Object.entries(planted)) {
    it(`finds ${name}`, () => {
      const judgement = judge({ ...good, ...history });
      expect(judgement[name as "stuck"]).to.have.length(1);
      expect(findingsOf(judgement)).to.have.length(1);
    });
  }

  const reported = good.reports[0]!;
  const wrong: Record<string, History["reports"]> = {
    "two accepted": [reported, reported],
    "an accepted one that is not the result": [{ ...reported, body: "two" }],
    "a duplicate of something else": [reported, { ...reported, answer: "duplicate", body: "two" }],
    "a forged one that counted": [reported, { ...reported, answer: "duplicate", forged: true }],
  };
  for (const [name, reports] of Object.entries(wrong)) {
    it(`finds reports that are wrong: ${name}`, () => {
      expect(judge({ ...good, reports }).wrongReports).to.not.deep.equal([]);
    });
  }

  it("takes reports that were refused, repeated or never answered", () => {
    const answers = ["duplicate", "stale", null] as const;
    const reports = [
      reported,
      ...answers.map((answer) => ({ ...reported, answer })),
      { ...reported, body: "two", answer: "stale" as const },
      { ...reported, forged: true, answer: "unauthorized" as const },
    ];
    expect(findingsOf(judge({ ...good, reports }))).to.deep.equal([]);
  });

  it("finds a cancel that was undone, and a result told of what is cancelled", () => {
    const cancel = operation({ kind: "cancel" }, { body: "cancelled" });
    const cancelled = { id: "p", status: "cancelled", owner: null, result: null };
    const history = { ...good, reports: [], operations: [cancel], stored: [cancelled] };
    expect(findingsOf(judge(history))).to.deep.equal([]);
    expect(judge({ ...history, stored: good.stored }).undoneCancels).to.have.length(1);
    expect(judge({ ...history, operations: [cancel, operation({}, {})] }).undoneCancels).to.have.length(1);
  });

  it("finds a failure told after a result, and records that disagree with their alarms", () => {
    const later = operation({ startedAt: 50, endedAt: 60 }, { status: 502, executed: "unknown" });
    expect(judge({ ...good, operations: [...good.operations, later] }).contradictions).to.have.length(1);
    expect(judge({ ...good, disagreements: ["alarm without record"] }).stuck).to.have.length(1);
  });

  it("counts executions of one key that overlap under different fences as take-overs", () => {
    const executions = [execution({}), execution({ number: 2, fence: 2, startedAt: 5 })];
    const judgement = judge({ ...good, executions });
    expect(judgement.takeOvers).to.equal(1);
    expect(findingsOf(judgement)).to.deep.equal([]);
  });
});
