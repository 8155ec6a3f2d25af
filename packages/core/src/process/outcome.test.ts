import { expect } from "chai";
import { readJsonText } from "@sticky-proxy/protocol/json";
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

const text = (value: unknown) => readJsonText(Buffer.from(JSON.stringify(value)))!;

describe("the outcome in a service's own payload", () => {
  for (const [what, payload, expected] of [
    ["a result", { job: { id: 7, state: "done" }, data: [1] }, { kind: "completed", content: "[1]" }],
    ["no result", { job: { id: "7", state: true } }, { kind: "completed", content: "null" }],
    ["another state", { job: { id: "7", state: "queued" } }, { kind: "running" }],
    ["another job", { job: { id: "8", state: "done" } }, { kind: "other-job" }],
    ["no job", { job: { state: "done" } }, { kind: "other-job" }],
    ["no state", { job: { id: "7" } }, { kind: "silent" }],
    ["a state that is no word", { job: { id: "7", state: { done: 1 } } }, { kind: "silent" }],
    ["no object", [1], { kind: "other-job" }],
  ] as const)
    it(`${what}: ${expected.kind}`, () => {
      expect(readOutcome(accept, text(payload), job)).to.deep.equal(expected);
    });

  it("takes the whole payload as the content where no pointer names it", () => {
    const payload = { job: { id: "7", state: 3 } };
    expect(readOutcome(accept, text(payload), job)).to.deep.equal({
      kind: "failed",
      content: JSON.stringify(payload),
      word: "3",
    });
  });

  it("takes a payload without a job id for the polled job where the route does not require the id", () => {
    const payload = { job: { state: "done" }, data: 1 };
    expect(readOutcome(accept, text(payload), { jobId: "7", mustName: false }).kind).to.equal("completed");
    expect(readOutcome(accept, text(payload), { jobId: null, mustName: true }).kind).to.equal("completed");
  });

  it("keeps numbers as the service wrote them, in the result and in the job's id", () => {
    const written =
      '{"job":{"id":72057594037927937,"state":"done"},"data":{"a":1.10,"b":12345678901234567890,"c":1e2}}';
    const payload = readJsonText(Buffer.from(written))!;
    expect(readOutcome(accept, payload, { jobId: "72057594037927937", mustName: true })).to.deep.equal({
      kind: "completed",
      content: '{"a":1.10,"b":12345678901234567890,"c":1e2}',
    });
    expect(readOutcome(accept, payload, { jobId: "72057594037927936", mustName: true }).kind).to.equal(
      "other-job",
    );
  });
});
