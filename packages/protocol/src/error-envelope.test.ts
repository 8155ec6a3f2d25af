import { expect } from "chai";
import { usualEnvelope, type ErrorEnvelope } from "./error-envelope.ts";
import { Problem, problemBody } from "./problems.ts";

const reused = new Problem("idempotency-key-reused", { processId: "1.a.b" });
const body = (problem: Problem, envelope: ErrorEnvelope = usualEnvelope) =>
  problemBody(problem, "r1", envelope);

describe("the error envelope of a problem", () => {
  it("says type, code and message beside the problem's own members", () => {
    expect(body(reused)).to.include({ status: 422, type: "/_sticky/problems/idempotency-key-reused" });
    expect(body(reused)["error"]).to.deep.equal({
      type: "idempotency_error",
      code: "idempotency-key-reused",
      message: reused.message,
    });
  });

  for (const [slug, type] of [
    ["unauthorized", "authentication_error"],
    ["forbidden", "permission_error"],
    ["rate-limited", "rate_limit_error"],
    ["process-not-found", "invalid_request_error"],
    ["request-in-progress", "idempotency_error"],
    ["store-unavailable", "api_error"],
    ["upstream-timeout", "api_error"],
  ] as const)
    it(`${slug} is of the type ${type}`, () => {
      expect(body(new Problem(slug))["error"]).to.include({ type });
    });

  it("another form is filled where its placeholders stand, and never replaces what the problem says itself", () => {
    const envelope = {
      errorCode: "gw-{code}",
      status: "{status}",
      type: "{code}",
      nested: { list: ["{status}", "{processId}", "{requestId}: {nothing}", 7, null] },
    };
    expect(body(reused, envelope)).to.deep.include({
      errorCode: "gw-idempotency-key-reused",
      status: 422,
      type: "/_sticky/problems/idempotency-key-reused",
      nested: { list: [422, "1.a.b", "r1: {nothing}", 7, null] },
    });
    expect(body(new Problem("forbidden"), { of: "{processId}", text: "({processId})" })).to.include({
      of: null,
      text: "()",
    });
  });
});
