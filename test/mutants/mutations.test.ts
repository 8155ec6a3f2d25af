import { expect } from "chai";
import { luaMutantsOf, mutantsOf } from "./mutations.ts";

const edits = (text: string): string[] => mutantsOf("a.ts", text).map(({ text: mutated }) => mutated.trim());

describe("mutants of a source", () => {
  const cases: [what: string, text: string, mutated: string][] = [
    ["turn a comparison into its neighbour", "x = a < b;", "x = a <= b;"],
    ["turn an equality round", "x = a === b;", "x = a !== b;"],
    ["exchange and and or", "x = a && b;", "x = a || b;"],
    ["leave a negation out", "x = !a;", "x = a;"],
    ["decide a condition once and for all", "if (a) b();", "if (false) b();"],
    ["turn a boolean", "x = true;", "x = false;"],
    ["count one too many", "x = 5;", "x = 6;"],
    ["leave a call out", "save(a);", ";"],
    ["leave a default out", "x = a ?? b;", "x = a;"],
    ["empty a word that is passed on", 'f({ kind: "start" });', 'f({ kind: "" });'],
    ["empty a list", "x = [a, b];", "x = [];"],
  ];
  for (const [what, text, mutated] of cases)
    it(what, () => {
      expect(edits(text)).to.include(mutated);
    });

  it("tell the line, and differ from the source and from each other", () => {
    const text = "const a = 1;\nconst b = a < 2 ? f(a) : g(a);\n";
    const found = mutantsOf("a.ts", text);
    expect(found.map(({ line }) => line)).to.deep.equal([1, 2, 2, 2, 2]);
    expect(new Set([text, ...found.map((mutant) => mutant.text)]).size).to.equal(found.length + 1);
  });

  it("are not made of a type, which vanishes before anything runs", () => {
    expect(edits("let x: { readonly a?: true; b: 1 | 2 } = y as true;")).to.deep.equal([]);
  });

  it("are not made of a line that gives a reason why no test could tell", () => {
    expect(edits("x = a < b; // equivalent: both are never equal")).to.deep.equal([]);
  });
});

describe("mutants of a Lua script", () => {
  const script =
    "#!lua flags=\n--[[ x: y.\nKEYS[1] a ]]\nif KEYS[1] == 'a' then\n  redis.call('DEL', KEYS[1])\nend\n";

  it("leave statements out and turn comparisons, and never touch the header", () => {
    const found = luaMutantsOf(script).map(({ line, text }) => [line, text.split("\n")[line - 1]!.trim()]);
    expect(found).to.deep.include([4, "if KEYS[1] ~= 'a' then"]);
    expect(found).to.deep.include([5, "do end"]);
    expect(found.every(([line]) => Number(line) > 3)).to.equal(true);
  });
});
