import { expect } from "chai";
import { readOutcome } from "./outcome.ts";

const accept = {
  status: ["job", "state"],
  completed: ["done", "true"],
  failed: ["failed", "3"],
  result: ["data"],
  error: null,
  jobId: { response: ["id"], callback: ["job", "id"] },
};
const job = { jobId: "7", mustName: true };

describe("the outcome in a service's own payload", () => {
  for (const [what, payload, expected] of [
    ["a result", { job: { id: 7, state: "done" }, data: [1] }, { kind: "completed", content: [1] }],
    ["no result", { job: { id: "7", state: true } }, { kind: "completed", content: null }],
    ["another state", { job: { id: "7", state: "queued" } }, { kind: "running" }],
    ["another job", { job: { id: "8", state: "done" } }, { kind: "other-job" }],
    ["no job", { job: { state: "done" } }, { kind: "other-job" }],
    ["no state", { job: { id: "7" } }, { kind: "silent" }],
    ["a state that is no word", { job: { id: "7", state: { done: 1 } } }, { kind: "silent" }],
    ["no object", [1], { kind: "other-job" }],
  ] as const)
    it(`${what}: ${expected.kind}`, () => {
      expect(readOutcome(accept, payload, job)).to.deep.equal(expected);
    });

  it("takes the whole payload as the content where no pointer names it", () => {
    const payload = { job: { id: "7", state: 3 } };
    expect(readOutcome(accept, payload, job)).to.deep.equal({
      kind: "failed",
      content: payload,
      word: "3",
    });
  });

  it("takes a payload without a job id for the polled job where the route does not require the id", () => {
    const payload = { job: { state: "done" }, data: 1 };
    expect(readOutcome(accept, payload, { jobId: "7", mustName: false }).kind).to.equal("completed");
    expect(readOutcome(accept, payload, { jobId: null, mustName: true }).kind).to.equal("completed");
  });
});
