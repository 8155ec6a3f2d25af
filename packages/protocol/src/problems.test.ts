import { expect } from "chai";
import { problemTypes } from "./problem-types.ts";
import { isProblemSlug, Problem, problemBody, type ProblemSlug } from "./problems.ts";

/** [status, executed, retryable] by hand: what a client may conclude from each problem. */
const expected: Record<ProblemSlug, readonly [number, "no" | "yes" | "unknown" | null, boolean]> = {
  "idempotency-key-missing": [400, "no", false],
  "idempotency-key-invalid": [400, "no", false],
  "idempotency-key-reused": [422, "no", false],
  "credential-changed": [422, "unknown", false],
  "request-in-progress": [409, "unknown", true],
  "process-cancelled": [409, null, false],
  "process-terminal": [409, null, false],
  "process-running": [409, null, true],
  "execution-stale": [409, null, false],
  "service-not-found": [404, "no", false],
  "process-not-found": [404, "no", false],
  "process-expired": [410, "yes", false],
  "rate-limited": [429, "no", true],
  "over-budget": [429, "no", true],
  "validation-timeout": [503, "no", true],
  "queue-full": [429, "no", true],
  "circuit-open": [503, "no", true],
  switching: [503, "no", true],
  "authentication-unavailable": [503, "no", true],
  "store-unavailable": [503, "no", true],
  "rules-unknown": [503, null, true],
  "service-unavailable": [503, "no", true],
  draining: [503, "no", true],
  "upstream-unreachable": [502, "no", true],
  "upstream-invalid-response": [502, "unknown", true],
  "execution-lost": [502, "unknown", true],
  "result-too-large": [502, "yes", false],
  "upstream-timeout": [504, "unknown", true],
  "no-stored-response": [504, "no", true],
  "deadline-exceeded": [504, "unknown", true],
  "payload-too-large": [413, "no", false],
  "headers-too-large": [431, "no", false],
  "uri-too-long": [414, "no", false],
  "malformed-request": [400, "no", false],
  "path-invalid": [400, "no", false],
  "malformed-json": [400, "no", false],
  "method-not-allowed": [405, "no", false],
  "unsupported-media-type": [415, "no", false],
  "request-timeout": [408, "no", true],
  "expectation-failed": [417, "no", false],
  "misdirected-request": [421, "no", false],
  "not-implemented": [501, "no", false],
  "version-not-supported": [505, "no", false],
  "invalid-parameter": [400, "no", false],
  "precondition-failed": [412, "no", true],
  "plan-stale": [409, "no", true],
  "csrf-rejected": [403, "no", false],
  unauthorized: [401, "no", false],
  forbidden: [403, "no", false],
  "loop-detected": [508, "no", false],
  "validation-failed": [422, "no", false],
  "internal-error": [500, "unknown", false],
};

describe("the table of problems", () => {
  it("says for every problem its status, whether the work ran, and whether a retry can succeed", () => {
    const table = Object.entries(problemTypes).map(([slug, t]) => [
      slug,
      [t.status, t.executed, t.retryable],
    ]);
    expect(Object.fromEntries(table)).to.deep.equal(expected);
  });

  it("has a title and a sentence for each", () => {
    for (const [slug, { title, about }] of Object.entries(problemTypes)) {
      expect(title, slug).to.match(/^\S.{5,}[^.]$/);
      expect(about, slug).to.match(/^[A-Z].{10,}\.$/);
    }
  });

  it("knows its own words only", () => {
    expect(isProblemSlug("draining")).to.equal(true);
    for (const word of ["", "Draining", "toString", "constructor"])
      expect(isProblemSlug(word)).to.equal(false);
  });
});

describe("a problem", () => {
  it("takes from the table what the occurrence does not say", () => {
    const problem = new Problem("upstream-timeout");
    expect(problem).to.include({
      status: 504,
      executed: "unknown",
      retryable: true,
      code: "upstream-timeout",
    });
    expect(problem.message).to.equal("The service did not answer in time");
    expect(problem).not.to.have.property("cause");
  });

  it("takes what the occurrence says over the table, a false and a no as well", () => {
    const cause = new Error("cause");
    const problem = new Problem("upstream-timeout", { executed: "no", retryable: false, detail: "d", cause });
    expect(problem).to.include({ executed: "no", retryable: false, message: "d", cause });
  });

  it("is written with the members that are known, and no others", () => {
    expect(problemBody(new Problem("process-terminal"), null)).to.deep.equal({
      type: "/_sticky/problems/process-terminal",
      title: "The process has ended",
      status: 409,
      detail: "A finished process cannot be changed.",
      retryable: false,
    });
    const options = { detail: "d", processId: "p", service: "s", extensions: { errors: [1], status: 200 } };
    expect(problemBody(new Problem("draining", options), "r")).to.deep.equal({
      type: "/_sticky/problems/draining",
      title: "The gateway is shutting down",
      status: 503,
      detail: "d",
      instance: "/_sticky/v1/processes/p",
      executed: "no",
      retryable: true,
      processId: "p",
      service: "s",
      requestId: "r",
      errors: [1],
    });
  });

  it("names the request where there is no process: by its UUID, or under a name of ours", () => {
    const instance = (requestId: string) => problemBody(new Problem("draining"), requestId).instance;
    const uuid = "0328607c-8c74-4859-afa3-09b0f2c89df1";
    expect(instance(uuid)).to.equal(`urn:uuid:${uuid}`);
    expect(instance("a b/c")).to.equal("urn:sticky-proxy:request:a%20b%2Fc");
  });
});
