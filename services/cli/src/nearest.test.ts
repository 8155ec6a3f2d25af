import { expect } from "chai";
import { nearest } from "./nearest.ts";

describe("did you mean", () => {
  const known = ["serve", "ps", "show", "wait", "cancel", "holders", "completion"];

  for (const [word, expected] of [
    ["sevre", "serve"],
    ["shw", "show"],
    ["cancle", "cancel"],
    ["cancell", "cancel"],
    ["holder", "holders"],
    ["fly", null],
    ["", null],
    ["x".repeat(100_000), null],
  ] as const)
    it(`"${word.slice(0, 20)}" is nearest to ${expected}`, () => {
      expect(nearest(word, known)).to.equal(expected);
    });
});
