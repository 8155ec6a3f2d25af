import { expect } from "chai";
import { ownerToken, relationOf } from "./owner.ts";
import { tokenKeys, type TokenPolicy } from "./token-keys.ts";

const stored = Buffer.alloc(32, 1);
const none: TokenPolicy = { secrets: [], acceptStored: false };
const id = "1.scope.2";
const stranger = { subject: null, digest: "", credential: "other" };

/** Whether a token made under one policy holds under another. */
function holds(made: TokenPolicy, now: TokenPolicy): boolean {
  const token = ownerToken(tokenKeys(made, stored).mint, id);
  const owned = { id, principal: null, credential: "own" };
  return relationOf(tokenKeys(now, stored).accept, owned, stranger as never, token) === "owner";
}

describe("the keys of tokens", () => {
  const one = "secret-one-0123456789abcdef012345";
  const two = "secret-two-0123456789abcdef012345";
  for (const { what, made, now, expected } of [
    { what: "the store's own, where none is given", made: none, now: none, expected: true },
    {
      what: "the given one",
      made: { ...none, secrets: [one] },
      now: { ...none, secrets: [one] },
      expected: true,
    },
    {
      what: "the one before, while it is listed",
      made: { ...none, secrets: [one] },
      now: { ...none, secrets: [two, one] },
      expected: true,
    },
    {
      what: "the next one, announced before it makes any",
      made: { ...none, secrets: [two] },
      now: { ...none, secrets: [one, two] },
      expected: true,
    },
    {
      what: "not one that has been taken off",
      made: { ...none, secrets: [one] },
      now: { ...none, secrets: [two] },
      expected: false,
    },
    {
      what: "not the store's own once one is given",
      made: none,
      now: { ...none, secrets: [one] },
      expected: false,
    },
    {
      what: "the store's own as long as it is accepted",
      made: none,
      now: { secrets: [one], acceptStored: true },
      expected: true,
    },
    {
      what: "not a given one where none is given",
      made: { ...none, secrets: [one] },
      now: none,
      expected: false,
    },
  ]) {
    it(`a token holds by ${what}`, () => expect(holds(made, now)).to.equal(expected));
  }
});
