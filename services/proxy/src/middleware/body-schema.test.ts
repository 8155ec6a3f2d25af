import { parseJsonStrict, type Json } from "@sticky-proxy/protocol/json";
import { expect } from "chai";
import { compileBodySchema } from "./body-schema.ts";
import { patternRisk } from "./pattern-risk.ts";

const job = {
  type: "object",
  required: ["account"],
  properties: {
    account: { type: "string", minLength: 1 },
    lines: { type: "array", items: { type: "object", required: ["a/b"] } },
  },
  additionalProperties: false,
};

describe("a body schema", () => {
  it("says nothing about a body that matches", () => {
    expect(compileBodySchema(job)({ account: "a", lines: [{ "a/b": 1 }] }, true)).to.deep.equal([]);
  });

  it("points at the member that is missing, wrong, or too much", () => {
    const check = compileBodySchema(job);
    expect(check({}, true)).to.deep.equal([{ pointer: "/account", message: "is missing" }]);
    expect(check({ account: 5, more: 1, lines: [{}] }, true)).to.have.deep.members([
      { pointer: "/account", message: "must be string" },
      { pointer: "/more", message: "is not allowed" },
      { pointer: "/lines/0/a~1b", message: "is missing" },
    ]);
    expect(check([], true)).to.deep.equal([{ pointer: "", message: "must be object" }]);
  });

  it("stops at the first fault of a large body, and lists a bounded number for a small one", () => {
    const check = compileBodySchema(job);
    const lines = Array.from({ length: 100 }, () => ({}));
    expect(check({ lines }, false)).to.have.length(1);
    expect(check({ lines }, true)).to.have.length(32);
  });

  it("takes inherited names for absent members", () => {
    const check = compileBodySchema({ type: "object", required: ["constructor"] });
    expect(check({}, true)).to.deep.equal([{ pointer: "/constructor", message: "is missing" }]);
    const body = parseJsonStrict(Buffer.from('{"constructor":1}'));
    expect(check(body, true)).to.deep.equal([]);
  });

  it("follows references inside the schema only", () => {
    const inside = { $defs: { id: { type: "integer" } }, properties: { id: { $ref: "#/$defs/id" } } };
    expect(compileBodySchema(inside)({ id: "x" }, true)).to.have.length(1);
    expect(() => compileBodySchema({ $ref: "https://example.com/schema" })).to.throw(/reference/);
    expect(() => compileBodySchema({ type: "strnig" })).to.throw();
  });

  it("changes nothing in the body", () => {
    const body: Json = { account: "a" };
    compileBodySchema({ ...job, properties: { ...job.properties, x: { default: 1 } } })(body, true);
    expect(body).to.deep.equal({ account: "a" });
  });

  const harmless = [
    "^[a-z]+@[a-z]+\\.[a-z]+$",
    "^(?:ab)+$",
    "^(?=.*\\d).{8,}$",
    "a{3}",
    "^[(+*]+$",
    "(a+)?b",
    "\\(a+\\)+",
    "^(?<year>\\d{4})-\\d\\d$",
  ];
  for (const source of harmless) {
    it(`lets the pattern ${source} be`, () => {
      expect(patternRisk(source).canExplode).to.equal(false);
    });
  }
  for (const source of [
    "(a+)+$",
    "^(a|aa)+$",
    "(?:a?b?)*",
    "((ab*)c)+",
    "(a{2,})*",
    "(.)\\1",
    "(?:x|y){5}",
  ]) {
    it(`refuses the pattern ${source}`, () => {
      expect(patternRisk(source).canExplode).to.equal(true);
      expect(() => compileBodySchema({ pattern: source })).to.throw(/pattern/);
    });
  }

  it("keeps two patterns of one schema apart", () => {
    const check = compileBodySchema({ properties: { a: { pattern: "^a$" }, b: { pattern: "^b$" } } });
    expect(check({ a: "a", b: "b" }, true)).to.deep.equal([]);
    expect(check({ a: "b", b: "a" }, true)).to.have.length(2);
  });

  it("matches long text by patterns that take linear time, and refuses it by others", () => {
    const long = "a".repeat(100_000);
    expect(compileBodySchema({ pattern: "^[a-z]*$" })(long, true)).to.have.length(0);
    expect(compileBodySchema({ pattern: "[a-z]*a*b" })(long, true)).to.have.length(1);
  });
});
