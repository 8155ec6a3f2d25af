import { expect } from "chai";
import { didYouMean, nearestWord } from "./suggest.ts";

describe("did you mean", () => {
  const known = ["port", "opsPort", "host", "instances", "waitMs"];
  for (const [word, nearest] of [
    ["prot", null], // two letters of four are wrong
    ["ports", "port"],
    ["opsport", "opsPort"],
    ["instance", "instances"],
    ["wait", null],
    ["waitms", "waitMs"],
    ["colour", null],
    ["x", null],
  ] as const)
    it(`${word}: ${nearest ?? "no suggestion"}`, () => {
      expect(nearestWord(word, known)).to.equal(nearest);
    });

  it("says nothing where the word itself is known", () => {
    expect(didYouMean("port", known)).to.equal("");
    expect(didYouMean("Port", known)).to.equal(' (did you mean "port"?)');
  });
});
