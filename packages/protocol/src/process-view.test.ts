import { asFence, asScope } from "./brands.ts";
import { expect } from "chai";
import fc from "fast-check";
import { executionUrl, formatProcessId, parseProcessId, processLinks } from "./process-view.ts";

const scope = asScope("Zk3abcdefghijklmnop_-9");

describe("process ids", () => {
  it("name partition, scope and epoch", () => {
    expect(formatProcessId({ partition: 17, scope, epoch: asFence(1_763_712_000_000_000) })).to.equal(
      `17.${scope}.hd6m3v3sw0`,
    );
    expect(parseProcessId(`17.${scope}.hd6m3v3sw0`)).to.deep.equal({
      partition: 17,
      scope,
      epoch: 1_763_712_000_000_000,
    });
  });

  it("read back as they were written", () => {
    const id = fc.record({
      partition: fc.integer({ min: 0, max: 16_383 }),
      scope: fc.stringMatching(/^[A-Za-z0-9_-]{22}$/).map(asScope),
      epoch: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).map(asFence),
    });
    fc.assert(
      fc.property(id, (value) => {
        expect(parseProcessId(formatProcessId(value))).to.deep.equal(value);
      }),
    );
  });

  it("are refused in every other form, so that one process has one id", () => {
    for (const text of [
      "",
      "*",
      `17.${scope}`,
      `017.${scope}.a`,
      `-1.${scope}.a`,
      `16384.${scope}.a`,
      `17.${scope}x.a`,
      `17.${scope.slice(1)}.a`,
      `17.${scope.slice(1)}*.a`,
      `17.${scope}.A`,
      `17.${scope}.0a`,
      `17.${scope}.`,
      `17.${scope}.0`,
      `17.${scope}.zzzzzzzzzzz`,
      `17.${scope}.a\n`,
      ` 17.${scope}.a`,
      `17.${scope}.a.b`,
      "9".repeat(10_000),
      `17.${"a".repeat(10_000)}.a`,
    ]) {
      expect(parseProcessId(text), text.slice(0, 60)).to.equal(null);
    }
  });
});

describe("links", () => {
  it("are path references without a base and absolute with one", () => {
    expect(processLinks("1.x.2", "")).to.deep.equal({
      self: "/_sticky/v1/processes/1.x.2",
      result: "/_sticky/v1/processes/1.x.2/result",
      cancel: "/_sticky/v1/processes/1.x.2/cancel",
      rerun: "/_sticky/v1/processes/1.x.2/rerun",
    });
    expect(executionUrl("1.x.2", "complete", "http://gateway:8080")).to.equal(
      "http://gateway:8080/_sticky/v1/executions/1.x.2/complete",
    );
  });
});
