import { expect } from "chai";
import { schemaCost } from "./schema-cost.ts";

const reference = { $ref: "#" };
const tree = {
  anyOf: [{ properties: { of: reference } }, { required: ["of"], properties: { of: reference } }],
};

describe("the cost of a body schema", () => {
  it("is bounded without references and slow patterns, by the number of its objects", () => {
    const schema = { type: "object", properties: { a: { type: "string", pattern: "^[a-z]+" }, b: {} } };
    expect(schemaCost(schema)).to.deep.equal({ subschemas: 4, isBounded: true, warnings: [] });
  });

  for (const [what, schema] of [
    ["a reference", { $defs: { a: {} }, properties: { a: { $ref: "#/$defs/a" } } }],
    ["a reference by anchor", { $dynamicRef: "#node" }],
    ["a pattern that searches", { pattern: "[a-z]+x" }],
    ["a pattern of two repetitions", { pattern: "^[a-z]+[0-9]+$" }],
    ["a slow pattern of names", { patternProperties: { "a+b+": {} } }],
  ] as const)
    it(`is not bounded with ${what}`, () => expect(schemaCost(schema).isBounded).to.equal(false));

  it("warns of a reference that leads back under a choice, directly or over others", () => {
    const far = {
      $defs: { a: { oneOf: [{ $ref: "#/$defs/b" }, {}] }, b: { items: { $ref: "#/$defs/a" } } },
      $ref: "#/$defs/a",
    };
    const anchored = { anyOf: [{ $dynamicRef: "#node" }] };
    for (const schema of [tree, far, anchored])
      expect(schemaCost(schema).warnings, JSON.stringify(schema)).to.have.length(1);
  });

  it("says nothing of a list that contains itself without a choice, nor of a choice of plain definitions", () => {
    const nested = { properties: { next: reference } };
    const choice = { $defs: { "a/b": {} }, anyOf: [{ $ref: "#/$defs/a~1b" }, { type: "null" }] };
    for (const schema of [nested, choice]) expect(schemaCost(schema).warnings).to.deep.equal([]);
  });

  it("warns of uniqueItems over objects, but not over simple types or a bounded list", () => {
    const unique = (more: object) =>
      schemaCost({ properties: { rows: { uniqueItems: true, ...more } } }).warnings;
    expect(unique({})).to.have.length(1);
    expect(unique({ items: { type: ["object", "string"] } })).to.have.length(1);
    expect(unique({ items: { type: "string" } })).to.deep.equal([]);
    expect(unique({ maxItems: 10 })).to.deep.equal([]);
  });
});
