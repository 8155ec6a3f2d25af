/** No metric that never moves: each handle is used by code that runs. */
import { join } from "node:path";
import { createMetrics } from "@sticky-proxy/runtime";
import { expect } from "chai";
import { readSources } from "../architecture/sources.ts";

const code = readSources(join(import.meta.dirname, "../.."))
  .filter(({ file, isTest }) => !isTest && file !== "packages/runtime/src/metric-rows.ts")
  .map((source) => source.code);

/** By a call on the handle, or handed to the one function that sets a gauge for each service. */
function isMoved(handle: string): boolean {
  const call = new RegExp(`\\b${handle}\\.(inc|dec|set|observe)\\(`);
  const handedOver = new RegExp(`\\bofServices\\(${handle}\\b`);
  return code.some((text) => call.test(text) || handedOver.test(text));
}

describe("metrics", () => {
  const { registry: _, ...handles } = createMetrics({
    version: "0",
    node: "n",
    configHash: "",
    services: [],
    routes: [],
  });

  it("are each moved by code that runs", () => {
    expect(Object.keys(handles).filter((name) => !isMoved(name))).to.deep.equal([]);
  });

  it("would notice one that is not", () => {
    expect(isMoved("retryBudgetRatio")).to.equal(false);
  });
});
