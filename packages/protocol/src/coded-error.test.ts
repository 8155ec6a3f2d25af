import { expect } from "chai";
import { CodedError } from "./coded-error.ts";
import { Problem } from "./problems.ts";

describe("errors with a code", () => {
  it("a problem is a coded error whose code is its slug", () => {
    const problem = new Problem("store-unavailable");
    expect(problem).to.be.instanceOf(CodedError).and.to.include({ code: "store-unavailable" });
  });
});
