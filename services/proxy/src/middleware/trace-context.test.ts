import type { HeaderList } from "@sticky-proxy/core/http";
import { expect } from "chai";
import { traceContext } from "./trace-context.ts";
import { outcomeOf, testContext, testHead, testState } from "./testing.ts";

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async function traced(headers: HeaderList) {
  const state = testState({ head: testHead({ headers }) });
  expect(await outcomeOf(traceContext(), testContext(state).ctx)).to.equal("next");
  return { traceparent: state.traceparent, trace: Object.fromEntries(state.trace) };
}

describe("the trace context of what is sent to a service", () => {
  for (const { what, headers, isKept, tracestate } of [
    { what: "keeps a valid traceparent", headers: [["traceparent", parent]], isKept: true },
    {
      what: "keeps the tracestate beside it, its lines joined",
      headers: [
        ["traceparent", parent],
        ["tracestate", "a=1"],
        ["Tracestate", "b=2"],
      ],
      isKept: true,
      tracestate: "a=1, b=2",
    },
    {
      what: "drops a tracestate that is not valid",
      headers: [
        ["traceparent", parent],
        ["tracestate", "a=\u00fc"],
      ],
      isKept: true,
    },
    { what: "begins a trace where there is none", headers: [], isKept: false },
    {
      what: "begins a trace for an invalid traceparent",
      headers: [["traceparent", "00-1-2-3"]],
      isKept: false,
    },
    {
      what: "begins a trace for two traceparents, and drops the tracestate with them",
      headers: [
        ["traceparent", parent],
        ["traceparent", parent],
        ["tracestate", "a=1"],
      ],
      isKept: false,
    },
  ] satisfies { what: string; headers: HeaderList; isKept: boolean; tracestate?: string }[]) {
    it(what, async () => {
      const { traceparent, trace } = await traced(headers);
      expect(traceparent === parent).to.equal(isKept);
      if (!isKept) expect(traceparent).to.match(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      expect(trace).to.deep.equal({
        "X-Request-Id": "r1",
        traceparent,
        ...(tracestate === undefined ? {} : { tracestate }),
      });
    });
  }

  it("begins a different trace each time, not sampled and of valid form", async () => {
    const seen = new Set<string>();
    for (let n = 0; n < 300; n++) {
      const { traceparent } = await traced([]);
      expect(traceparent).to.match(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00$/);
      seen.add(traceparent.slice(3, 35)).add(traceparent.slice(36, 52));
    }
    expect(seen.size).to.equal(600);
  });
});
