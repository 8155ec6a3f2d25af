import { expect } from "chai";
import { maxYamlBytes, parseYaml } from "./yaml.ts";

describe("sticky.yaml as text", () => {
  it("reads the core schema: yes is a word, 0x10 a number", () => {
    const { value, errors } = parseYaml("a: yes\nb: 0x10\nc: [1, true, null]");
    expect({ value, errors }).to.deep.equal({ value: { a: "yes", b: 16, c: [1, true, null] }, errors: [] });
  });

  it("an empty file holds nothing and is no error", () => {
    expect(parseYaml("# only a comment\n")).to.deep.include({ value: null, errors: [] });
  });

  it("names the line of a duplicate key and still gives the rest to the schema", () => {
    const { value, errors } = parseYaml("a: 1\nb: 2\na: 3\n");
    expect(errors).to.deep.equal([{ line: 3, message: "Map keys must be unique" }]);
    expect(value).to.include({ b: 2 });
  });

  for (const [what, text, message] of [
    ["a function tag", "a: !!js/function 'return 1'", /tags are not allowed/],
    ["any other tag", "a: !include x.yaml", /tag/],
    ["an alias", "a: &x [1]\nb: *x", /aliases are not allowed/],
    ["a name that joi would drop", "services: {__proto__: {port: 1}}", /the name __proto__ is not allowed/],
    ["a constructor", "constructor: {prototype: {x: 1}}", /the name constructor is not allowed/],
    ["a quoted __proto__", '"__proto__": 1', /the name __proto__ is not allowed/],
    ["a list", "- 1", /must be a mapping/],
    ["a word", "hello", /must be a mapping/],
    ["two documents", "a: 1\n---\nb: 2", /multiple documents/],
    ["a mapping as key", "? {a: 1}\n: 2", /key must be a plain word/],
    ["an open bracket", "a: [1, 2", /\]|flow/i],
    ["deep nesting", `a: ${"[".repeat(100)}${"]".repeat(100)}`, /nested deeper than 64/],
    ["nesting beyond the stack", `a: ${"[".repeat(50_000)}`, /call stack/],
    ["more than a megabyte", `a: ${"x".repeat(maxYamlBytes)}`, /larger than/],
  ] as const)
    it(`refuses ${what}`, () => {
      const { value, errors } = parseYaml(text);
      expect(value).to.equal(null);
      expect(errors.map((error) => error.message).join("\n")).to.match(message);
    });

  it("knows the line of each entry, and for what is missing the line of the entry around it", () => {
    const { lineOf } = parseYaml("a: 1\nb:\n  c:\n    - d: 1\n    - {e: 2}\n");
    for (const [path, line] of [
      ["a", 1],
      ["b.c", 3],
      ["b.c.0.d", 4],
      ["b.c.1.e", 5],
      ["b.c.1.missing", 5],
      ["b.missing.more", 2],
      ["missing", null],
    ] as const)
      expect(lineOf(path.split(".")), path).to.equal(line);
  });

  it("a bomb of aliases costs nothing", () => {
    const rows = Array.from({ length: 20 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(10)}]`);
    const { value, errors } = parseYaml(`a0: &a0 [x]\n${rows.join("\n")}`);
    expect(value).to.equal(null);
    expect(errors.length).to.be.greaterThan(0);
  });

  it("leaves Object.prototype alone", () => {
    parseYaml('{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}');
    expect(({} as Record<string, unknown>).polluted).to.equal(undefined);
  });
});
